package crashsim

import (
	_ "untorn/engine"
	_ "untorn/internal/key"
)

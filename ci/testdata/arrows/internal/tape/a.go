package tape

import (
	_ "untorn/crashsim"
)

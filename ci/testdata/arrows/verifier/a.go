package verifier

import (
	_ "untorn/internal/tape"
)

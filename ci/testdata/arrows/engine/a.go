package engine

import (
	_ "untorn/internal/report"
)

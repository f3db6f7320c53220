package untorn

import (
	_ "untorn/internal/report"
)

package novel

import (
	_ "fmt"
)

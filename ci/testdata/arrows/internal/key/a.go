package key

import (
	_ "fmt"
)

package report

import (
	_ "fmt"
)

package blk

import (
	_ "syscall"
)

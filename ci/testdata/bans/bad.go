// Package bad does everything that deterministic code must not do, once, and
// then what it may do.
package bad

// The lines are counted by the test.

import (
	"fmt"
	"math"
	"math/rand"
	"net/url"
	"runtime"
	stdsync "sync"
	"time"
)

func bad(m map[int]int, named byName) any {
	c := make(chan int)
	go fmt.Println(time.Now())
	select {
	case <-c:
	}
	half := math.Sqrt(0.5)
	sum := rand.Int() + runtime.NumCPU()
	for k := range m {
		sum = k
	}
	for k, v := range named {
		fmt.Println(k, v, half)
	}
	return sum
}

// imported ranges over a map of another package's type.
func imported(v url.Values) (last string) {
	for k := range v {
		last = k
	}
	return last + fmt.Sprint(new(stdsync.Mutex))
}

type byName map[string]int

func allowed(m map[int]int, list []int) int {
	for k, v := range m {
		if v == math.MaxInt32 {
			return k
		}
	}
	for k := range m {
		delete(m, k)
	}
	for i := range list {
		fmt.Println(i)
	}
	runtime.Goexit()
	return len(m)
}

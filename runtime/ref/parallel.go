package ref

import (
	"sync"
	"sync/atomic"
)

// Work below this many multiplications is done faster than goroutines are started for it.
const parallelWork = 1 << 16

// parallel calls f for disjoint ranges that cover 0 to n-1 and returns when all are done. work is the number of multiplications
// of one item. At most workers goroutines run, the caller among them; ranges are handed out as they finish, because items differ
// in size and cores in load.
func parallel(workers, n, work int, f func(lo, hi int)) {
	const rangesPerWorker = 4
	if workers == 1 || n*work < parallelWork {
		f(0, n)
		return
	}
	size := (n + workers*rangesPerWorker - 1) / (workers * rangesPerWorker)
	var next atomic.Int64
	run := func() {
		for {
			hi := int(next.Add(int64(size)))
			lo := hi - size
			if lo >= n {
				return
			}
			f(lo, min(hi, n))
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(run)
	}
	run()
	wg.Wait()
}

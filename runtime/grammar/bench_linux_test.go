package grammar

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"unsafe"
)

// threadTime is the CPU time of this thread in microseconds, of which other programs take nothing away.
func threadTime() int64 {
	const clock = 3 // CLOCK_THREAD_CPUTIME_ID
	var now syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		panic(errno)
	}
	return now.Nano() / 1e3
}

// Masks and compilations of the workloads, each schema met for the first time. WORKLOAD names one of them.
func BenchmarkWorkloads(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	o200k()
	var all []cost
	var compiles []int64
	for b.Loop() {
		all, compiles = nil, nil
		for _, w := range workloads() {
			if only := os.Getenv("WORKLOAD"); only != "" && only != w.name {
				continue
			}
			for range 5 {
				start := threadTime()
				compile(b, o200k(), Source{JSONSchema: json.RawMessage(w.schema)}, Options{}).NewMatcher()
				compiles = append(compiles, threadTime()-start)
			}
			costs := goThrough(b, w, 4, threadTime)
			us := func(c cost) int64 { return c.us }
			fmt.Printf("%-30s compile %6d us; %4d masks, p50 %5d, p90 %6d, p99 %6d, max %6d us; "+
				"nodes p99 %6d, max %7d; steps max %6d, sight max %5d\n", w.name,
				compiles[len(compiles)-1], len(costs), percentile(costs, 0.5, us), percentile(costs, 0.9, us), percentile(costs, 0.99, us),
				percentile(costs, 1, us), percentile(costs, 0.99, func(c cost) int64 { return int64(c.nodes) }),
				percentile(costs, 1, func(c cost) int64 { return int64(c.nodes) }), percentile(costs, 1, func(c cost) int64 { return int64(c.steps) }),
				percentile(costs, 1, func(c cost) int64 { return int64(c.sight) }))
			for _, c := range worst(costs, 3) {
				fmt.Printf("    %v\n", c)
			}
			all = append(all, costs...)
		}
	}
	slices.Sort(compiles)
	us := func(c cost) int64 { return c.us }
	b.ReportMetric(float64(compiles[len(compiles)*95/100]), "compile-p95-us")
	b.ReportMetric(float64(percentile(all, 0.5, us)), "mask-p50-us")
	b.ReportMetric(float64(percentile(all, 0.99, us)), "mask-p99-us")
	b.ReportMetric(float64(percentile(all, 1, us)), "mask-max-us")
	b.ReportMetric(0, "ns/op")
}

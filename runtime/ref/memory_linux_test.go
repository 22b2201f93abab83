package ref

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/gptoss"
)

func TestFreeMemoryIsWhatEndsFirst(t *testing.T) {
	machine := map[string]string{
		"proc/meminfo":    "MemTotal:  24000000 kB\nMemAvailable:    8000000 kB\n",
		"proc/self/statm": "1000 500 400 5 0 200 0\n",
	}
	with := func(more map[string]string) fstest.MapFS {
		root := fstest.MapFS{}
		for _, files := range []map[string]string{machine, more} {
			for name, text := range files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
		}
		return root
	}
	const unlimited = ^uint64(0)
	for _, c := range []struct {
		name           string
		files          map[string]string
		addresses, dat uint64
		bytes          int64
		of             string
	}{
		{"Machine", nil, unlimited, unlimited, 8000000 << 10, "machine"},
		{"AddressSpace", nil, 1 << 30, unlimited, 1<<30 - 1000*4096, "ulimit -v"},
		{"Data", nil, unlimited, 1 << 29, 1<<29 - 200*4096, "ulimit -d"},
		{"ContainerWithItsOwnRoot", map[string]string{
			"proc/self/cgroup":                "0::/\n",
			"sys/fs/cgroup/memory.max":        "2000000000\n",
			"sys/fs/cgroup/memory.current":    "1500000000\n",
			"sys/fs/cgroup/memory.stat":       "anon 1000000000\ninactive_file 300000000\n",
			"sys/fs/cgroup/other/memory.max":  "1\n",
			"sys/fs/cgroup/other/memory.stat": "inactive_file 0\n",
		}, unlimited, unlimited, 800000000, "container"},
		{"OuterGroup", map[string]string{
			"proc/self/cgroup":                    "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max":        "max\n",
			"sys/fs/cgroup/a/b/memory.current":    "5\n",
			"sys/fs/cgroup/a/memory.max":          "1000000\n",
			"sys/fs/cgroup/a/memory.current":      "400000\n",
			"sys/fs/cgroup/memory/memory.nothing": "",
		}, unlimited, unlimited, 600000, "container"},
		{"FirstVersion", map[string]string{
			"proc/self/cgroup":                           "9:cpu,cpuacct:/x\n4:memory:/docker/1f99\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "3000000000\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "1000000000\n",
			"sys/fs/cgroup/memory/memory.stat":           "total_inactive_file 7\n",
		}, unlimited, unlimited, 2000000007, "container"},
	} {
		got, known := freeMemory(with(c.files), 4096, func(resource int) (uint64, bool) {
			if resource == syscall.RLIMIT_AS {
				return c.addresses, true
			}
			return c.dat, true
		})
		if !known || got.Bytes != c.bytes || !strings.Contains(got.Of, c.of) {
			t.Errorf("%s: %+v, %v; want %d, %s", c.name, got, known, c.bytes, c.of)
		}
	}
	if got, known := freeMemory(fstest.MapFS{}, 4096, func(int) (uint64, bool) { return 0, false }); known {
		t.Errorf("without files: %+v", got)
	}
	if got, known := FreeMemory(); !known || got.Bytes <= 0 {
		t.Errorf("this machine: %+v, %v", got, known)
	}
}

// TestModelLargerThanTheAddressSpaceIsRefused: a failed allocation would end the process, so this runs in one of its own.
func TestModelLargerThanTheAddressSpaceIsRefused(t *testing.T) {
	const child = "GOSSAMER_TEST_MEMORY"
	if os.Getenv(child) == "" {
		cmd := exec.Command("sh", "-c", `ulimit -v 4000000 && exec "$0" -test.run "^$1\$" -test.count 1`, os.Args[0], t.Name())
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	config, err := checkpointtest.Preset("20b")
	if err != nil {
		t.Fatal(err)
	}
	ck := checkpoint.Generated(config, func([]byte, gptoss.TensorSpec, int64) {})
	if _, err := Load(t.Context(), ck, Options{}); err == nil || !strings.Contains(err.Error(), "ulimit -v") {
		t.Fatalf("got %v, want that it does not fit", err)
	}
}

// TestMemoryNeededIsWhatAModelTakes measures the heap with a model and a full sequence in it.
func TestMemoryNeededIsWhatAModelTakes(t *testing.T) {
	config, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	config.Hidden, config.Vocab, config.Experts = 640, 20000, 32
	ck := checkpoint.Generated(config, func([]byte, gptoss.TensorSpec, int64) {})
	o := Options{Context: 512, Chunk: 64}
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // the first one empties pools into a second chance
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	m, err := Load(t.Context(), ck, o)
	if err != nil {
		t.Fatal(err)
	}
	s := newSequence(t, m)
	if err := s.Extend(t.Context(), make([]int32, 512)); err != nil {
		t.Fatal(err)
	}
	took, need := heap()-before, memoryNeeded(config, o)
	runtime.KeepAlive(s)
	// What is needed only for a moment, while loading or in a pass, is no longer in the heap.
	if took > need || took < need/3 {
		t.Errorf("the model and its sequence take %d bytes, %d were planned", took, need)
	}
	if err := checkMemory(config, o, Memory{Bytes: need - 1, Of: "of the test"}, true); err == nil || !strings.Contains(err.Error(), "of the test") {
		t.Errorf("one byte too few: %v", err)
	}
	if err := checkMemory(config, o, Memory{Bytes: need}, true); err != nil {
		t.Errorf("just enough: %v", err)
	}
	if err := checkMemory(config, o, Memory{}, false); err != nil {
		t.Errorf("unknown: %v", err)
	}
}

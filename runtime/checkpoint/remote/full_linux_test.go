package remote

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
)

// TestDownloadToFullDisk: a model is loaded although the cache has no room for all of it.
func TestDownloadToFullDisk(t *testing.T) {
	s, local := servePacked(t)
	cache := checkpointtest.SmallDisk(t, "512k")
	want := collect(t, local)
	for range 2 {
		c := mustOpenAt(t, s.URL+"/model", Options{CacheDir: cache})
		if !maps.EqualFunc(want, collect(t, c), bytes.Equal) {
			t.Error("other bytes")
		}
		for name := range checkpointtest.ListFiles(t, cache) {
			if strings.HasSuffix(name, checkpoint.PartExt) {
				t.Errorf("left %s", name)
			}
		}
	}
	if cachedBytes(t, cache) == 0 {
		t.Error("kept nothing")
	}
}

//go:build !js

package detect

import (
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/checkpoint/remote"
)

// TestDirectoryWithFilesElsewhere: the cache that was asked for keeps the files of a directory's manifest that are on servers.
func TestDirectoryWithFilesElsewhere(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	src, dir := checkpointtest.WriteSmall(t), t.TempDir()
	c, err := Open(t.Context(), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := packed.PackInPlace(t.Context(), c, dir, "https://files.example.org/m", nil); err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	for _, o := range []Options{{CacheDir: cache}, {NoCache: true}} {
		if _, err := OpenPacked(t.Context(), dir, o); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir, o); err != nil {
			t.Fatal(err)
		}
	}
	usual, err := remote.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for place, want := range map[string]int{cache: 1, usual: 0} {
		if models, err := remote.ListCache(place); err != nil || len(models) != want {
			t.Errorf("%s has %+v, %v; want %d", place, models, err, want)
		}
	}
}

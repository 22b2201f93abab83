package detect

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/packed"
)

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "model.safetensors")
	_, err := Open(t.Context(), dir, Options{})
	checkpointtest.WantError(t, err, "checkpoint: no .safetensors file in "+dir+": give a directory with config.json and the published weights")
	_, err = Open(t.Context(), file, Options{})
	checkpointtest.WantError(t, err, "checkpoint: …")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), file, Options{})
	checkpointtest.WantError(t, err, "checkpoint: "+file+" is a file: give the directory that holds it and config.json")
}

// TestOtherManifest: a manifest.json of something else does not hide a checkpoint.
func TestOtherManifest(t *testing.T) {
	dir := checkpointtest.WriteSmall(t)
	open := func() *checkpoint.Checkpoint {
		c, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	want := checkpointtest.Collect(t, open())
	if err := os.WriteFile(filepath.Join(dir, packed.ManifestName), []byte(`{"name": "an app", "icons": []}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(want, checkpointtest.Collect(t, open()), bytes.Equal) {
		t.Error("other bytes")
	}
	_, err := OpenPacked(t.Context(), dir, Options{})
	checkpointtest.WantError(t, err, packed.ErrNoHashes.Error())
	for _, name := range []string{"model-00000-of-00001.safetensors", "model-00001-of-00001.safetensors", "model.safetensors.index.json"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Open(t.Context(), dir, Options{})
	checkpointtest.WantError(t, err, `checkpoint: manifest.json: format is "", want "gossamer-manifest": this is not a packed model`)
}

// TestManifestFirst: a manifest beside the files that it describes is used.
func TestManifestFirst(t *testing.T) {
	dir := checkpointtest.WriteSmall(t)
	c, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := packed.PackInPlace(t.Context(), c, dir, "", nil); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Verified() || !again.Verified() {
		t.Errorf("verified: %v without and %v with a manifest, want false and true", c.Verified(), again.Verified())
	}
	if !maps.EqualFunc(checkpointtest.Collect(t, c), checkpointtest.Collect(t, again), bytes.Equal) {
		t.Error("other bytes")
	}
	m, err := OpenPacked(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
	gguf := "../../../testdata/golden/gqa_window8/model.gguf"
	if _, err := Open(t.Context(), gguf, Options{}); err != nil {
		t.Error(err)
	}
	_, err = OpenPacked(t.Context(), gguf, Options{})
	checkpointtest.WantError(t, err, packed.ErrNoHashes.Error())
}

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
	checkpointtest.WantError(t, err, "checkpoint: no .safetensors file in "+dir+": give a directory with config.json and the published weights, or a GGUF file")
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

// TestFolderOfGGUF: a folder with one model's GGUF file is opened; safetensors come first; of several models one must be named.
func TestFolderOfGGUF(t *testing.T) {
	golden := "../../../testdata/golden/gqa_window8/"
	data, err := os.ReadFile(golden + "model.gguf")
	if err != nil {
		t.Fatal(err)
	}
	hf, err := Open(t.Context(), golden+"model", Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("one.gguf")
	c, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(checkpointtest.Collect(t, hf), checkpointtest.Collect(t, c), bytes.Equal) {
		t.Error("other bytes")
	}
	if _, err := OpenFS(os.DirFS(dir)); err != nil {
		t.Error(err)
	}
	write("two.gguf")
	_, err = Open(t.Context(), dir, Options{})
	checkpointtest.WantError(t, err, "checkpoint: "+dir+` holds 2 models: name the file of one of them: "one.gguf", "two.gguf"`)
	dir = checkpointtest.WriteSmall(t)
	write("one.gguf")
	if c, err = Open(t.Context(), dir, Options{}); err != nil {
		t.Fatal(err)
	}
	if c.Config().Layers != 3 {
		t.Errorf("%d layers, want those of the safetensors files", c.Config().Layers)
	}
}

// TestIncompletePack: of a packed model with a chunk that is missing, short or no file nothing is loaded.
func TestIncompletePack(t *testing.T) {
	dir := t.TempDir()
	src, err := Open(t.Context(), "../../../testdata/golden/gqa_window8/model", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := packed.Pack(t.Context(), src, dir, nil); err != nil {
		t.Fatal(err)
	}
	m, err := packed.ReadManifest(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	chunk := filepath.Join(dir, filepath.FromSlash(m.Chunks[1].URL))
	for _, c := range []struct {
		damage func() error
		want   string
	}{
		{func() error { return os.Truncate(chunk, m.Chunks[1].Bytes-1) }, "the file has … bytes, … are needed: copy or download it again"},
		{func() error { return os.Remove(chunk) }, "the file is missing: copy or download it again"},
		{func() error { return os.Mkdir(chunk, 0o777) }, "this is not a regular file"},
	} {
		if err := c.damage(); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), dir, Options{})
		checkpointtest.WantError(t, err, "checkpoint: chunk "+m.Chunks[1].URL+": "+c.want)
		if _, err := OpenPacked(t.Context(), dir, Options{}); err != nil { // to be verified, which lists all that is wrong
			t.Error(err)
		}
	}
}

package packed

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/safetensors"
)

// packTo packs a checkpoint and opens the result.
func packTo(t testing.TB, c *checkpoint.Checkpoint, dir string) (*Model, PackReport) {
	t.Helper()
	report, err := Pack(t.Context(), c, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return openPacked(t, dir), report
}

const golden = "../../../testdata/golden"

// openDir opens published files.
func openDir(t testing.TB, dir string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := safetensors.Open(os.DirFS(dir), dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openPacked(t testing.TB, dir string) *Model {
	t.Helper()
	m, err := ReadManifest(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(m, Files(os.DirFS(dir)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// hashes are the chunks of a manifest, which say everything about the weights.
func hashes(m *Manifest) []string {
	var hs []string
	for _, c := range m.Chunks {
		hs = append(hs, c.SHA256)
	}
	return hs
}

// TestPackFromEveryLayout packs the same weights from every form: the chunks are the same, and loading them gives the tensors.
func TestPackFromEveryLayout(t *testing.T) {
	hf := openDir(t, filepath.Join(golden, "gqa_window8/model"))
	want := checkpointtest.Load(t, hf)
	packed, report := packTo(t, hf, t.TempDir())
	if !maps.EqualFunc(want, checkpointtest.Load(t, packed.Checkpoint), bytes.Equal) {
		t.Error("the packed model has other bytes")
	}
	if d := cmp.Diff(hf.Config(), packed.Config()); d != "" {
		t.Errorf("config (-hf +packed):\n%s", d)
	}
	if !packed.Verified() || hf.Verified() {
		t.Errorf("verified: packed %v, hf %v; want true, false", packed.Verified(), hf.Verified())
	}
	total := int64(0)
	for _, s := range hf.Config().Tensors() {
		total += s.Bytes()
	}
	if report.RawBytes != total || report.Written != report.Chunks || report.Chunks != len(packed.Manifest.Chunks) {
		t.Errorf("report %+v, want %d raw bytes, all %d chunks written", report, total, len(packed.Manifest.Chunks))
	}
	original, _ := packTo(t, openDir(t, filepath.Join(golden, "gqa_window8/model_original")), t.TempDir())
	again, _ := packTo(t, packed.Checkpoint, t.TempDir())
	for name, other := range map[string]*Model{"original": original, "packed": again} {
		if d := cmp.Diff(hashes(packed.Manifest), hashes(other.Manifest)); d != "" {
			t.Errorf("chunks of %s (-hf +%s):\n%s", name, name, d)
		}
	}
}

// TestPackSeveralChunksPerTensor: tensors of several chunks, shards, and both codecs.
func TestPackSeveralChunksPerTensor(t *testing.T) {
	src := openDir(t, checkpointtest.WriteLarge(t))
	dir := t.TempDir()
	packed, report := packTo(t, src, dir)
	if !maps.EqualFunc(checkpointtest.Load(t, src), checkpointtest.Load(t, packed.Checkpoint), bytes.Equal) {
		t.Error("the packed model has other bytes")
	}
	if report.Zstd == 0 || report.Zstd == report.Chunks {
		t.Errorf("%d of %d chunks are compressed, want some: bf16 is compressible, MXFP4 codes are not", report.Zstd, report.Chunks)
	}
	// ReadAt crosses chunks.
	all, err := checkpointtest.ReadTensor(t.Context(), src, "lm_head.weight")
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 20<<20)
	for _, off := range []int64{0, 7 << 20, int64(len(all) - len(p))} {
		if err := packed.ReadAt(t.Context(), "lm_head.weight", p, off); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p, all[off:off+int64(len(p))]) {
			t.Errorf("ReadAt %d differs", off)
		}
	}
	err = packed.ReadAt(t.Context(), "lm_head.weight", p, int64(len(all)-len(p)+1))
	checkpointtest.WantError(t, err, "checkpoint: bytes … of tensor \"lm_head.weight\": it has …")
}

// TestPackResumes: chunks that are there and right are kept, everything else is made.
func TestPackResumes(t *testing.T) {
	src := openDir(t, checkpointtest.WriteSmall(t))
	dir := t.TempDir()
	packed, first := packTo(t, src, dir)
	want := checkpointtest.ListFiles(t, dir)
	chunk := func(i int) string { return filepath.Join(dir, packed.Manifest.Chunks[i].URL) }

	if err := os.Remove(filepath.Join(dir, ManifestName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(chunk(0)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(chunk(1), 100); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(chunk(2))
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	for name, data := range map[string][]byte{
		chunk(2):                               data,
		chunk(3) + ".123" + checkpoint.PartExt: []byte("a"), // left by a pack that was killed
		filepath.Join(dir, chunkDir, strings.Repeat("a", 64)+chunkExt): []byte("of other weights"),
	} {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, second := packTo(t, src, dir)
	if first.Written != first.Chunks || second.Written != 3 {
		t.Errorf("wrote %d of %d chunks, then %d, want all and 3", first.Written, first.Chunks, second.Written)
	}
	if d := cmp.Diff(want, checkpointtest.ListFiles(t, dir)); d != "" {
		t.Errorf("files (-first +second):\n%s", d)
	}
}

// TestPackHashesOnce counts what is hashed: every chunk once, whether it is written or there already.
func TestPackHashesOnce(t *testing.T) {
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	dir := t.TempDir()
	for _, what := range []string{"new", "there"} {
		var hashed atomic.Int64
		p := packer{c: openDir(t, checkpointtest.WriteSmall(t)), dir: dir, encoder: encoder, hash: func(p []byte) string {
			hashed.Add(int64(len(p)))
			return HashOf(p)
		}}
		report, err := p.pack(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if hashed.Load() != report.Bytes || (report.Written > 0) != (what == "new") {
			t.Errorf("%s: %d bytes were hashed of %d, %d chunks were written", what, hashed.Load(), report.Bytes, report.Written)
		}
	}
}

// TestPackCancel cancels at every chunk: nothing half is left, no manifest, and the next Pack goes on.
func TestPackCancel(t *testing.T) {
	src := openDir(t, checkpointtest.WriteSmall(t))
	_, whole := packTo(t, src, t.TempDir())
	dir := t.TempDir()
	kept := 0
	for n := 1; n <= whole.Chunks-2; n++ { // at most two workers have begun another chunk
		ctx, cancel := context.WithCancel(t.Context())
		chunks := 0
		report, err := Pack(ctx, src, dir, func(checkpoint.Progress) {
			if chunks++; chunks == n {
				cancel()
			}
		})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled at chunk %d: error %v after %+v", n, err, report)
		}
		files := checkpointtest.ListFiles(t, dir)
		if len(files) < kept || len(files) > whole.Chunks {
			t.Errorf("cancelled at chunk %d: %d files after %d", n, len(files), kept)
		}
		kept = len(files)
		for name, size := range files {
			hash, ok := strings.CutSuffix(filepath.Base(name), chunkExt)
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !ok || hash != HashOf(data) {
				t.Errorf("cancelled at chunk %d: left %s of %d bytes (%v)", n, name, size, err)
			}
		}
	}
	_, report := packTo(t, src, dir)
	if report.Written != whole.Chunks-kept {
		t.Errorf("wrote %d chunks at last, want the missing %d", report.Written, whole.Chunks-kept)
	}
}

func TestPackErrors(t *testing.T) {
	dir := t.TempDir()
	packTo(t, openDir(t, filepath.Join(golden, "gqa_window8/model")), dir)
	other := openDir(t, filepath.Join(golden, "long_window128/model"))
	_, err := Pack(t.Context(), other, dir, nil)
	checkpointtest.WantError(t, err, "checkpoint: pack: "+dir+" has a manifest.json of another model: give an empty directory")
	_, err = PackInPlace(t.Context(), openPacked(t, dir).Checkpoint, t.TempDir(), "", nil)
	checkpointtest.WantError(t, err, "checkpoint: pack: only safetensors files can stay where they are: leave out manifest-only")

	src := checkpointtest.WriteSmall(t)
	ckpt := openDir(t, src)
	checkpointtest.Poke(t, ckpt, src, "model.layers.1.self_attn.sinks", 10, []byte{0x80, 0x7f})
	target := t.TempDir()
	_, err = Pack(t.Context(), ckpt, target, nil)
	checkpointtest.WantError(t, err, `checkpoint: model-00000-of-00001.safetensors: tensor "model.layers.1.self_attn.sinks" has a NaN or infinity at element 5: the file is damaged, download it again`)
	if _, err := ReadManifest(os.DirFS(target)); err == nil {
		t.Error("opened what could not be packed")
	}
}

// TestPackInPlace: manifests for files that stay where they are, in both layouts, beside the files and in the original/ folder.
func TestPackInPlace(t *testing.T) {
	for _, original := range []bool{false, true} {
		c, err := checkpointtest.Preset("default")
		if err != nil {
			t.Fatal(err)
		}
		c.Vocab = 2*checkpoint.PieceBytes/(2*c.Hidden) + 100
		root := t.TempDir()
		dir := root
		if original {
			dir = filepath.Join(root, "original")
		}
		if err := checkpointtest.Write(dir, c, 3, checkpointtest.Options{Shards: 2, Original: original}); err != nil {
			t.Fatal(err)
		}
		src := openDir(t, root)
		want := checkpointtest.Load(t, src)
		if _, err := PackInPlace(t.Context(), src, root, "", nil); err != nil {
			t.Fatal(err)
		}
		packed := openPacked(t, root)
		if !packed.Verified() {
			t.Fatal("not verified")
		}
		if !maps.EqualFunc(want, checkpointtest.Load(t, packed.Checkpoint), bytes.Equal) {
			t.Errorf("original %v: other bytes", original)
		}
		away := t.TempDir()
		if _, err := PackInPlace(t.Context(), src, away, "https://host/a%20b/", nil); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(away, ManifestName))
		if err != nil {
			t.Fatal(err)
		}
		m, err := ParseManifest(data)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range m.Chunks {
			local := packed.Manifest.Chunks[i]
			local.URL = "https://host/a%20b/" + local.URL
			if d := cmp.Diff(local, k); d != "" {
				t.Fatalf("chunk %d (-want +got):\n%s", i, d)
			}
		}
	}
}

// BenchmarkPack packs the checkpoint in the directory GOSSAMER_MODEL, or a small one.
func BenchmarkPack(b *testing.B) {
	dir := os.Getenv("GOSSAMER_MODEL")
	if dir == "" {
		dir = checkpointtest.WriteLarge(b)
	}
	c := openDir(b, dir)
	for b.Loop() {
		report, err := Pack(b.Context(), c, b.TempDir(), nil)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(report.RawBytes)
		b.ReportMetric(float64(report.Bytes)/float64(report.RawBytes), "stored/raw")
	}
}

// TestPackOverDamagedManifest: an empty manifest, as a crash leaves it, is replaced; what is no packed model, or was one, is told apart
// from another model.
func TestPackOverDamagedManifest(t *testing.T) {
	src := openDir(t, filepath.Join(golden, "gqa_window8/model"))
	const head = `{"format": "gossamer-manifest", "version": 1, `
	for text, want := range map[string]string{
		"":                        "",
		" \n":                     "",
		`{"name": "an app"}`:      "has a manifest.json of something else: give an empty directory",
		"[]":                      "has a damaged manifest.json: remove it, or give an empty directory (…)",
		string(make([]byte, 10)):  "has a damaged manifest.json: remove it, or give an empty directory (…)",
		head:                      "has a damaged manifest.json: remove it, or give an empty directory (…)",
		head + `"config": {}}`:    "has a damaged manifest.json: remove it, or give an empty directory (…)",
		`{"format": "\u001b[2J"}`: "has a manifest.json of something else: give an empty directory",
		head + `"\u001b[2J": {}}`: "has a damaged manifest.json: remove it, or give an empty directory (…)",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ManifestName), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Pack(t.Context(), src, dir, nil)
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", text, err)
			} else if _, err := ReadManifest(os.DirFS(dir)); err != nil {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		checkpointtest.WantError(t, err, "checkpoint: pack: "+dir+" "+want)
		if strings.Contains(err.Error(), "\x1b") {
			t.Errorf("escapes reach the user: %q", err)
		}
	}
}

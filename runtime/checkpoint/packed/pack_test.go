package packed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/safetensors"
	"gossamer/runtime/gptoss"
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

// TestPackForms packs the same weights from every form: the chunks are the same, and loading them gives the tensors.
func TestPackForms(t *testing.T) {
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

// TestPackLarge: tensors of several chunks, shards, and both codecs.
func TestPackLarge(t *testing.T) {
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

// TestLayout checks the chunks of the published configurations, and of one whose experts are larger than a chunk.
func TestLayout(t *testing.T) {
	wide, err := checkpointtest.Preset("20b")
	if err != nil {
		t.Fatal(err)
	}
	wide.Hidden, wide.Intermediate, wide.Layers, wide.Experts = 8192+32, 8192, 2, 5
	checkpointtest.SetLayers(wide, 2)
	for _, name := range []string{"default", "20b", "120b", "wide"} {
		c := wide
		if name != "wide" {
			if c, err = checkpointtest.Preset(name); err != nil {
				t.Fatal(err)
			}
		}
		specs := c.Tensors()
		at := make([]int64, len(specs))
		plan := layout(c)
		expertChunks := 0
		for i, segments := range plan {
			size, experts := int64(0), map[string]bool{}
			for _, it := range segments {
				s := specs[it.Tensor]
				if it.File != i || it.Off != size {
					t.Errorf("%s: chunk %d has %s at %d of chunk %d, want %d", name, i, s.Name, it.Off, it.File, size)
				}
				if it.At != at[it.Tensor] || it.N <= 0 {
					t.Fatalf("%s: chunk %d has %s at %d, want %d", name, i, s.Name, it.At, at[it.Tensor])
				}
				at[it.Tensor] += it.N
				size += it.N
				if at[it.Tensor] < s.Bytes() && it.N%16 != 0 {
					t.Errorf("%s: chunk %d has %d bytes of %s, no multiple of 16", name, i, it.N, s.Name)
				}
				if isExpert(s.Kind) {
					experts[fmt.Sprint(s.Layer, it.At/(s.Bytes()/int64(c.Experts)))] = true
				} else if len(experts) > 0 {
					t.Errorf("%s: chunk %d mixes experts with %s", name, i, s.Name)
				}
			}
			if size > maxChunkBytes {
				t.Errorf("%s: chunk %d has %d bytes", name, i, size)
			}
			if len(experts) > 0 {
				expertChunks++
			}
			if strings.HasSuffix(name, "0b") && len(experts) > 1 {
				t.Errorf("%s: chunk %d has %d experts", name, i, len(experts))
			}
		}
		for i, s := range specs {
			if at[i] != s.Bytes() {
				t.Errorf("%s: %d bytes of %s, want %d", name, at[i], s.Name, s.Bytes())
			}
		}
		// One expert of the published models fills half a chunk, so that each has its own.
		want := map[string]int{"default": 3, "20b": 24 * 32, "120b": 36 * 128}[name]
		if want > 0 && expertChunks != want {
			t.Errorf("%s: %d chunks of experts, want %d", name, expertChunks, want)
		}
		t.Logf("%s: %d chunks", name, len(plan))
		checkRanges(t, c)
	}
}

// checkRanges divides a file with the tensors of c, one after the other and a gap in the middle.
func checkRanges(t *testing.T, c *gptoss.Config) {
	t.Helper()
	d := checkpoint.Description{Config: c, Files: []string{"f"}}
	off := int64(1000)
	for i, s := range c.Tensors() {
		if i == 20 {
			off += 10
		}
		d.Segments = append(d.Segments, checkpoint.Segment{Tensor: i, Off: off, N: s.Bytes()})
		off += s.Bytes()
	}
	chunks, segments := inPlace(d)
	if len(chunks) > int(off/maxChunkBytes)*5/4+4 {
		t.Errorf("%d chunks for %d bytes", len(chunks), off)
	}
	for i := range chunks {
		chunks[i].SHA256 = strings.Repeat("0", 64)
	}
	m, err := newManifest(c, segments, chunks)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.check(true); err != nil {
		t.Fatal(err)
	}
	for _, s := range segments {
		if got, want := chunks[s.File].Start()+s.Off, d.Segments[s.Tensor].Off+s.At; got != want {
			t.Errorf("tensor %d: segment at %d of the file, want %d", s.Tensor, got, want)
		}
	}
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

// TestPackedDamage: a packed model in which a chunk is missing, short, changed, no file, or no zstd.
func TestPackedDamage(t *testing.T) {
	src := openDir(t, checkpointtest.WriteSmall(t))
	for _, c := range []struct {
		name   string
		change func(path string) error
		want   string
	}{
		{"Missing", os.Remove, "checkpoint: chunk chunks/…: the file is missing: copy or download it again"},
		{"Short", func(p string) error { return os.Truncate(p, 77) }, "checkpoint: chunk chunks/…: the file has 77 bytes, …are needed: copy or download it again"},
		{"Directory", func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o777)) }, "checkpoint: chunk chunks/…: this is not a regular file"},
		{"Changed", func(p string) error {
			data, err := os.ReadFile(p)
			data[5] ^= 0x40
			return errors.Join(err, os.WriteFile(p, data, 0o644))
		}, "checkpoint: chunk chunks/…: sha256 mismatch, want …, got …: copy or download the file again"},
	} {
		dir := t.TempDir()
		packed, _ := packTo(t, src, dir)
		k := packed.Manifest.Chunks[2]
		if err := c.change(filepath.Join(dir, k.URL)); err != nil {
			t.Fatal(err)
		}
		checkpointtest.WantError(t, packed.Load(t.Context(), checkpointtest.Discard(), nil), c.want)
		results := map[bool]int{}
		err := packed.Verify(t.Context(), func(_ Chunk, err error) { results[err == nil]++ }, nil)
		checkpointtest.WantError(t, err, c.want)
		if d := cmp.Diff(map[bool]int{true: len(packed.Manifest.Chunks) - 1, false: 1}, results); d != "" {
			t.Errorf("%s: good and bad chunks (-want +got):\n%s", c.name, d)
		}
	}
	// A manifest that says zstd of other bytes, hash and all.
	dir := t.TempDir()
	packed, _ := packTo(t, src, dir)
	i := slices.IndexFunc(packed.Manifest.Chunks, func(k Chunk) bool { return k.Codec == None })
	k := &packed.Manifest.Chunks[i]
	k.Codec, k.RawBytes = Zstd, k.Bytes
	checkpointtest.WantError(t, packed.Load(t.Context(), checkpointtest.Discard(), nil), "checkpoint: chunk chunks/…: unpack: …")
}

// TestUnpackBounds: a frame that unpacks to more, or less, than the manifest says.
func TestUnpackBounds(t *testing.T) {
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	d, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		bytes, raw int64
		want       string
	}{
		{1000, 1000, ""},
		{1000, 999, "checkpoint: chunk x: has 1000 bytes when unpacked, want 999: pack the model again"},
		{1000, 1001, "checkpoint: chunk x: has 1000 bytes when unpacked, want 1001: pack the model again"},
		{256 << 20, 1000, "checkpoint: chunk x: unpack: …"}, // never in memory: the limit is maxChunkBytes
	} {
		_, err := d.Unpack(&Chunk{URL: "x", Codec: Zstd, RawBytes: c.raw}, e.EncodeAll(make([]byte, c.bytes), nil), nil)
		if c.want != "" {
			checkpointtest.WantError(t, err, c.want)
		} else if err != nil {
			t.Error(err)
		}
	}
}

func TestVerify(t *testing.T) {
	hf := openDir(t, filepath.Join(golden, "gqa_window8/model"))
	packed, _ := packTo(t, hf, t.TempDir())
	var last checkpoint.Progress
	if err := packed.Verify(t.Context(), nil, func(p checkpoint.Progress) { last = p }); err != nil {
		t.Error(err)
	}
	if last.Phase != checkpoint.PhaseVerify || last.BytesDone == 0 || last.BytesDone != last.BytesTotal {
		t.Errorf("last progress %+v", last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := packed.Verify(ctx, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
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

package weights

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
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"gossamer/runtime/gptoss"
	"gossamer/runtime/weights/weightstest"
)

// packTo packs a checkpoint and opens the result.
func packTo(t testing.TB, c *Checkpoint, dir string) (*Checkpoint, PackReport) {
	t.Helper()
	report, err := Pack(t.Context(), c, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return openDir(t, dir), report
}

// writeSmall makes a checkpoint of a few small chunks and returns its directory.
func writeSmall(t testing.TB) string {
	t.Helper()
	c, err := weightstest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := weightstest.Write(dir, c, 1, weightstest.Options{Shards: 2}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// listFilesOf lists the files of a directory with their sizes.
func listFilesOf(t testing.TB, dir string) map[string]int64 {
	t.Helper()
	files := map[string]int64{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
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
	want := load(t, hf)
	packed, report := packTo(t, hf, t.TempDir())
	if !maps.EqualFunc(want, load(t, packed), bytes.Equal) {
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
	if report.RawBytes != total || report.Written != report.Chunks || report.Chunks != len(packed.Manifest().Chunks) {
		t.Errorf("report %+v, want %d raw bytes, all %d chunks written", report, total, len(packed.Manifest().Chunks))
	}
	original, _ := packTo(t, openDir(t, filepath.Join(golden, "gqa_window8/model_original")), t.TempDir())
	again, _ := packTo(t, packed, t.TempDir())
	for name, other := range map[string]*Checkpoint{"original": original, "packed": again} {
		if d := cmp.Diff(hashes(packed.Manifest()), hashes(other.Manifest())); d != "" {
			t.Errorf("chunks of %s (-hf +%s):\n%s", name, name, d)
		}
	}
}

// TestPackLarge: tensors of several chunks, shards, and both codecs.
func TestPackLarge(t *testing.T) {
	src := openDir(t, writeLarge(t))
	dir := t.TempDir()
	packed, report := packTo(t, src, dir)
	if !maps.EqualFunc(load(t, src), load(t, packed), bytes.Equal) {
		t.Error("the packed model has other bytes")
	}
	if report.Zstd == 0 || report.Zstd == report.Chunks {
		t.Errorf("%d of %d chunks are compressed, want some: bf16 is compressible, MXFP4 codes are not", report.Zstd, report.Chunks)
	}
	// ReadAt crosses chunks.
	all, err := src.ReadTensor(t.Context(), "lm_head.weight")
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
	wantError(t, err, "weights: bytes … of tensor \"lm_head.weight\": it has …")
}

// TestLayout checks the chunks of the published configurations, and of one whose experts are larger than a chunk.
func TestLayout(t *testing.T) {
	wide, err := weightstest.Preset("20b")
	if err != nil {
		t.Fatal(err)
	}
	wide.Hidden, wide.Intermediate, wide.Layers, wide.Experts = 8192+32, 8192, 2, 5
	weightstest.SetLayers(wide, 2)
	for _, name := range []string{"default", "20b", "120b", "wide"} {
		c := wide
		if name != "wide" {
			if c, err = weightstest.Preset(name); err != nil {
				t.Fatal(err)
			}
		}
		specs := c.Tensors()
		at := make([]int64, len(specs))
		plan := layout(c)
		expertChunks := 0
		for i, items := range plan {
			size, experts := int64(0), map[string]bool{}
			for _, it := range items {
				s := specs[it.tensor]
				if it.off != at[it.tensor] || it.n <= 0 {
					t.Fatalf("%s: chunk %d has %s at %d, want %d", name, i, s.Name, it.off, at[it.tensor])
				}
				at[it.tensor] += it.n
				size += it.n
				if at[it.tensor] < s.Bytes() && it.n%16 != 0 {
					t.Errorf("%s: chunk %d has %d bytes of %s, no multiple of 16", name, i, it.n, s.Name)
				}
				if isExpert(s.Kind) {
					experts[fmt.Sprint(s.Layer, it.off/(s.Bytes()/int64(c.Experts)))] = true
				} else if len(experts) > 0 {
					t.Errorf("%s: chunk %d mixes experts with %s", name, i, s.Name)
				}
			}
			if size > MaxChunkBytes {
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
	var tensors []located
	off := int64(1000)
	for i, s := range c.Tensors() {
		if i == 20 {
			off += 10
		}
		tensors = append(tensors, located{s, []segment{{0, off, s.Bytes()}}})
		off += s.Bytes()
	}
	chunks, placed := ranges([]string{"f"}, tensors)
	if len(chunks) > int(off/MaxChunkBytes)*5/4+4 {
		t.Errorf("%d chunks for %d bytes", len(chunks), off)
	}
	for i := range chunks {
		chunks[i].SHA256 = strings.Repeat("0", 64)
	}
	m, err := newManifest(c, placed, chunks)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.check(true); err != nil {
		t.Fatal(err)
	}
	for i, p := range placed {
		at := tensors[i].segments[0].off
		for _, s := range p.segments {
			if got := chunks[s.file].start() + s.off; got != at {
				t.Errorf("%s: segment at %d of the file, want %d", p.Name, got, at)
			}
			at += s.n
		}
	}
}

// TestPackResumes: chunks that are there and right are kept, everything else is made.
func TestPackResumes(t *testing.T) {
	src := openDir(t, writeSmall(t))
	dir := t.TempDir()
	packed, first := packTo(t, src, dir)
	want := listFilesOf(t, dir)
	chunk := func(i int) string { return filepath.Join(dir, packed.Manifest().Chunks[i].URL) }

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
		chunk(2):                    data,
		chunk(3) + ".123" + partExt: []byte("a"), // left by a pack that was killed
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
	if d := cmp.Diff(want, listFilesOf(t, dir)); d != "" {
		t.Errorf("files (-first +second):\n%s", d)
	}
}

// TestPackCancel cancels at every chunk: nothing half is left, no manifest, and the next Pack goes on.
func TestPackCancel(t *testing.T) {
	src := openDir(t, writeSmall(t))
	_, whole := packTo(t, src, t.TempDir())
	dir := t.TempDir()
	kept := 0
	for n := 1; n <= whole.Chunks-2; n++ { // at most two workers have begun another chunk
		ctx, cancel := context.WithCancel(t.Context())
		chunks := 0
		report, err := Pack(ctx, src, dir, func(Progress) {
			if chunks++; chunks == n {
				cancel()
			}
		})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled at chunk %d: error %v after %+v", n, err, report)
		}
		files := listFilesOf(t, dir)
		if len(files) < kept || len(files) > whole.Chunks {
			t.Errorf("cancelled at chunk %d: %d files after %d", n, len(files), kept)
		}
		kept = len(files)
		for name, size := range files {
			hash, ok := strings.CutSuffix(filepath.Base(name), chunkExt)
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !ok || hash != hashOf(data) {
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
	wantError(t, err, "weights: pack: "+dir+" has a manifest.json of another model: give an empty directory")
	_, err = PackInPlace(t.Context(), openDir(t, dir), t.TempDir(), "", nil)
	wantError(t, err, "weights: pack: only safetensors files can stay where they are: leave out manifest-only")

	src := writeSmall(t)
	ckpt := openDir(t, src)
	poke(t, ckpt, src, "model.layers.1.self_attn.sinks", 10, []byte{0x80, 0x7f})
	target := t.TempDir()
	_, err = Pack(t.Context(), ckpt, target, nil)
	wantError(t, err, `weights: model-00000-of-00001.safetensors: tensor "model.layers.1.self_attn.sinks" has a NaN or infinity at element 5: the file is damaged, download it again`)
	if _, err := OpenDir(target); err == nil {
		t.Error("opened what could not be packed")
	}
}

// TestPackedDamage: a packed model in which a chunk is missing, short, changed, no file, or no zstd.
func TestPackedDamage(t *testing.T) {
	src := openDir(t, writeSmall(t))
	for _, c := range []struct {
		name   string
		change func(path string) error
		want   string
	}{
		{"Missing", os.Remove, "weights: chunk chunks/…: the file is missing: copy or download it again"},
		{"Short", func(p string) error { return os.Truncate(p, 77) }, "weights: chunk chunks/…: the file has 77 bytes, …are needed: copy or download it again"},
		{"Directory", func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o777)) }, "weights: chunk chunks/…: this is not a regular file"},
		{"Changed", func(p string) error {
			data, err := os.ReadFile(p)
			data[5] ^= 0x40
			return errors.Join(err, os.WriteFile(p, data, 0o644))
		}, "weights: chunk chunks/…: sha256 mismatch, want …, got …: copy or download the file again"},
	} {
		dir := t.TempDir()
		packed, _ := packTo(t, src, dir)
		k := packed.Manifest().Chunks[2]
		if err := c.change(filepath.Join(dir, k.URL)); err != nil {
			t.Fatal(err)
		}
		wantError(t, packed.Load(t.Context(), discard, nil), c.want)
		results := map[bool]int{}
		err := packed.Verify(t.Context(), func(_ Chunk, err error) { results[err == nil]++ }, nil)
		wantError(t, err, c.want)
		if d := cmp.Diff(map[bool]int{true: len(packed.Manifest().Chunks) - 1, false: 1}, results); d != "" {
			t.Errorf("%s: good and bad chunks (-want +got):\n%s", c.name, d)
		}
	}
	// A manifest that says zstd of other bytes, hash and all.
	dir := t.TempDir()
	packed, _ := packTo(t, src, dir)
	i := slices.IndexFunc(packed.Manifest().Chunks, func(k Chunk) bool { return k.Codec == None })
	k := &packed.Manifest().Chunks[i]
	k.Codec, k.RawBytes = Zstd, k.Bytes
	wantError(t, packed.Load(t.Context(), discard, nil), "weights: chunk chunks/…: unpack: …")
}

// TestUnpackBounds: a frame that unpacks to more, or less, than the manifest says.
func TestUnpackBounds(t *testing.T) {
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s, err := newChunkSource(&Manifest{}, fsStore{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		bytes, raw int64
		want       string
	}{
		{1000, 1000, ""},
		{1000, 999, "weights: chunk x: has 1000 bytes when unpacked, want 999: pack the model again"},
		{1000, 1001, "weights: chunk x: has 1000 bytes when unpacked, want 1001: pack the model again"},
		{256 << 20, 1000, "weights: chunk x: unpack: …"}, // never in memory: the limit is MaxChunkBytes
	} {
		_, err := unpack(s.zstd, &Chunk{URL: "x", Codec: Zstd, RawBytes: c.raw}, e.EncodeAll(make([]byte, c.bytes), nil), nil)
		if c.want != "" {
			wantError(t, err, c.want)
		} else if err != nil {
			t.Error(err)
		}
	}
}

func TestVerify(t *testing.T) {
	hf := openDir(t, filepath.Join(golden, "gqa_window8/model"))
	packed, _ := packTo(t, hf, t.TempDir())
	var last Progress
	if err := packed.Verify(t.Context(), nil, func(p Progress) { last = p }); err != nil {
		t.Error(err)
	}
	if last.Phase != PhaseVerify || last.BytesDone == 0 || last.BytesDone != last.BytesTotal {
		t.Errorf("last progress %+v", last)
	}
	wantError(t, hf.Verify(t.Context(), nil, nil), "weights: verify: there are no hashes to compare with: only packed models have them")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := packed.Verify(ctx, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// TestPackInPlace: manifests for files that stay where they are, in both layouts, beside the files and in the original/ folder.
func TestPackInPlace(t *testing.T) {
	for _, original := range []bool{false, true} {
		c, err := weightstest.Preset("default")
		if err != nil {
			t.Fatal(err)
		}
		c.Vocab = 2*PieceBytes/(2*c.Hidden) + 100
		root := t.TempDir()
		dir := root
		if original {
			dir = filepath.Join(root, originalDir)
		}
		if err := weightstest.Write(dir, c, 3, weightstest.Options{Shards: 2, Original: original}); err != nil {
			t.Fatal(err)
		}
		src := openDir(t, root)
		want := load(t, src)
		if _, err := PackInPlace(t.Context(), src, root, "", nil); err != nil {
			t.Fatal(err)
		}
		packed := openDir(t, root)
		if packed.Manifest() == nil || !packed.Verified() {
			t.Fatal("the manifest is not used")
		}
		if !maps.EqualFunc(want, load(t, packed), bytes.Equal) {
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
			local := packed.Manifest().Chunks[i]
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
		dir = writeLarge(b)
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

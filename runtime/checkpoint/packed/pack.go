package packed

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
)

// chunkDir is where Pack puts chunks, beside the manifest.
const (
	chunkDir  = "chunks"
	chunkExt  = ".bin"
	minSaving = 20 // zstd is kept if it saves more than a 20th
)

// PackReport says what Pack did.
type PackReport struct {
	Tensors  int   `json:"tensors"`
	Chunks   int   `json:"chunks"`
	Written  int   `json:"written"`  // chunks that were not there yet
	Zstd     int   `json:"zstd"`     // chunks that are compressed
	RawBytes int64 `json:"rawBytes"` // of all tensors
	Bytes    int64 `json:"bytes"`    // of all chunks as stored
}

// Pack writes a checkpoint as a packed model to a directory, which is created if need be: chunks first, then the manifest. What
// an interrupted Pack has written is kept if its bytes are right. A packed model of another configuration in the directory is an
// error; of the same, it is replaced.
func Pack(ctx context.Context, c *checkpoint.Checkpoint, dir string, progress func(checkpoint.Progress)) (PackReport, error) {
	// Of klauspost's levels, this is the first that finds anything in bf16 (it stores 78 % of it); chunks have a better checksum.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderCRC(false))
	if err != nil {
		return PackReport{}, fmt.Errorf("checkpoint: zstd: %w", err)
	}
	defer encoder.Close()
	p := packer{c: c, dir: dir, encoder: encoder, hash: HashOf, progress: progress}
	return p.pack(ctx)
}

// packer is one call of Pack.
type packer struct {
	c        *checkpoint.Checkpoint
	dir      string
	encoder  *zstd.Encoder
	hash     func(p []byte) string
	progress func(checkpoint.Progress)

	mu     sync.Mutex // guards report and meter
	report PackReport
	meter  checkpoint.Meter
}

func (p *packer) pack(ctx context.Context) (PackReport, error) {
	config := p.c.Config()
	if err := checkTarget(config, p.dir); err != nil {
		return p.report, err
	}
	out := filepath.Join(p.dir, chunkDir)
	if err := os.MkdirAll(out, 0o777); err != nil {
		return p.report, fmt.Errorf("checkpoint: pack: %w", err)
	}
	if err := checkpoint.RemoveFiles(out, func(name string) bool { return strings.HasSuffix(name, checkpoint.PartExt) }); err != nil {
		return p.report, err
	}
	p.meter.Phase = checkpoint.PhasePack
	for _, t := range config.Tensors() {
		p.report.Tensors++
		p.meter.BytesTotal += t.Bytes()
	}
	plan := layout(config)
	chunks := make([]Chunk, len(plan))
	err := checkpoint.EachParallel(ctx, len(plan), func(ctx context.Context, i int) (err error) {
		chunks[i], err = p.chunk(ctx, plan[i])
		return err
	})
	if err != nil {
		return p.report, err
	}
	segments := slices.SortedStableFunc(slices.Values(slices.Concat(plan...)), func(a, b checkpoint.Segment) int { return cmp.Compare(a.Tensor, b.Tensor) })
	manifest, err := newManifest(config, segments, chunks)
	if err != nil {
		return p.report, err
	}
	if err := writeManifest(p.dir, manifest); err != nil {
		return p.report, err
	}
	used := make(map[string]bool, len(chunks))
	for _, k := range chunks {
		used[k.URL] = true
	}
	return p.report, checkpoint.RemoveFiles(out, func(name string) bool { return isChunkFile(name) && !used[chunkDir+"/"+name] })
}

// chunk makes and writes the chunk of these segments.
func (p *packer) chunk(ctx context.Context, segments []checkpoint.Segment) (Chunk, error) {
	raw, err := p.assemble(ctx, segments)
	if err != nil {
		return Chunk{}, err
	}
	chunk, data := p.encode(raw)
	written, err := writeChunk(ctx, p.dir, chunk.URL, data)
	if err != nil {
		return chunk, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if written {
		p.report.Written++
	}
	if chunk.Codec == Zstd {
		p.report.Zstd++
	}
	p.report.Chunks++
	p.report.Bytes += chunk.Bytes
	p.report.RawBytes += int64(len(raw))
	p.meter.Add(int64(len(raw)), p.progress)
	return chunk, nil
}

// checkTarget refuses to pack over another model.
func checkTarget(config *gptoss.Config, dir string) error {
	data, err := checkpoint.ReadSmall(os.DirFS(dir), ManifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(data)) == 0 { // a crash left it, or a full disk
		return nil
	}
	want, err := gptoss.FormatConfig(config)
	if err != nil {
		return err
	}
	m, err := decodeManifest(data)
	if errors.Is(err, ErrOtherFormat) {
		return fmt.Errorf("checkpoint: pack: %s has a %s of something else: give an empty directory", dir, ManifestName)
	}
	if err == nil {
		var old *gptoss.Config
		if old, err = gptoss.ParseConfig(m.Config); err == nil {
			have, err := gptoss.FormatConfig(old)
			if err == nil && string(have) == string(want) {
				return nil
			}
			return fmt.Errorf("checkpoint: pack: %s has a %s of another model: give an empty directory", dir, ManifestName)
		}
	}
	return fmt.Errorf("checkpoint: pack: %s has a damaged %s: remove it, or give an empty directory (%w)", dir, ManifestName, err)
}

// assemble reads the bytes of a chunk.
func (p *packer) assemble(ctx context.Context, segments []checkpoint.Segment) ([]byte, error) {
	total, tensors := int64(0), p.c.Config().Tensors()
	for _, s := range segments {
		total += s.N
	}
	raw := make([]byte, total)
	for _, s := range segments {
		if err := p.c.ReadAt(ctx, tensors[s.Tensor].Name, raw[s.Off:][:s.N], s.At); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

// encode compresses a chunk if that is worth it.
func (p *packer) encode(raw []byte) (Chunk, []byte) {
	data, chunk := raw, Chunk{}
	if z := p.encoder.EncodeAll(raw, nil); len(z) < len(raw)-len(raw)/minSaving {
		data, chunk.Codec, chunk.RawBytes = z, Zstd, int64(len(raw))
	}
	chunk.Bytes, chunk.SHA256 = int64(len(data)), p.hash(data)
	chunk.URL = chunkDir + "/" + chunk.SHA256 + chunkExt
	return chunk, data
}

// isChunkFile tells Pack's own files from others.
func isChunkFile(name string) bool {
	return len(name) == 64+len(chunkExt) && strings.HasSuffix(name, chunkExt) && strings.Trim(name[:64], "0123456789abcdef") == ""
}

// writeChunk writes a chunk unless it is there already.
func writeChunk(ctx context.Context, dir, name string, data []byte) (written bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() == int64(len(data)) {
		if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, data) {
			return false, nil
		}
	}
	return true, checkpoint.SaveFile(path, data)
}

func writeManifest(dir string, m *Manifest) error {
	data, err := m.Encode()
	if err != nil {
		return err
	}
	if _, err := ParseManifest(data); err != nil { // what we write, we can read
		return err
	}
	return checkpoint.SaveFile(filepath.Join(dir, ManifestName), data)
}

// PackInPlace writes the manifest of a checkpoint whose files stay where they are: its chunks are byte ranges of the safetensors
// files below base, an http or https URL, or "" for files beside the manifest. Files are read once, to hash them.
func PackInPlace(ctx context.Context, c *checkpoint.Checkpoint, dir, base string, progress func(checkpoint.Progress)) (PackReport, error) {
	d := c.Description()
	report := PackReport{Tensors: len(d.Config.Tensors())}
	if !d.Plain {
		return report, errors.New("checkpoint: pack: only safetensors files can stay where they are: leave out manifest-only")
	}
	if err := checkTarget(d.Config, dir); err != nil {
		return report, err
	}
	if base != "" {
		if err := checkURL(strings.TrimSuffix(base, "/") + "/"); err != nil || !strings.Contains(base, "://") {
			return report, fmt.Errorf("checkpoint: pack: base URL: %w", cmp.Or(err, errors.New("want http:// or https:// and a host")))
		}
	}
	chunks, segments := inPlace(d)
	m := checkpoint.Meter{Progress: checkpoint.Progress{Phase: checkpoint.PhasePack}}
	for _, k := range chunks {
		m.BytesTotal += k.Bytes
	}
	var mu sync.Mutex // guards m
	err := checkpoint.EachParallel(ctx, len(chunks), func(ctx context.Context, i int) error {
		k := &chunks[i]
		r, err := d.Source.Open(ctx, k.URL, k.Start(), k.Bytes)
		if err != nil {
			return err
		}
		hash := sha256.New()
		_, err = io.CopyN(hash, r, k.Bytes)
		if err := errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("checkpoint: pack: %s: %w", k.URL, err)
		}
		k.SHA256 = hex.EncodeToString(hash.Sum(nil))
		mu.Lock()
		defer mu.Unlock()
		m.Add(k.Bytes, progress)
		return nil
	})
	if err != nil {
		return report, err
	}
	for i := range chunks {
		k := &chunks[i]
		report.Chunks++
		report.Bytes += k.Bytes
		report.RawBytes += k.Bytes
		if base != "" {
			if k.URL, err = url.JoinPath(base, k.URL); err != nil {
				return report, fmt.Errorf("checkpoint: pack: base URL: %w", err)
			}
		}
	}
	manifest, err := newManifest(d.Config, segments, chunks)
	if err != nil {
		return report, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return report, fmt.Errorf("checkpoint: pack: %w", err)
	}
	return report, writeManifest(dir, manifest)
}

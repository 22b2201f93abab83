package weights

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/klauspost/compress/zstd"

	"gossamer/runtime/gptoss"
)

// chunkDir is where Pack puts chunks, beside the manifest.
const (
	chunkDir  = "chunks"
	chunkExt  = ".bin"
	partExt   = ".part" // of files that are being written
	minSaving = 20      // zstd is kept if it saves more than a 20th
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
func Pack(ctx context.Context, c *Checkpoint, dir string, progress func(Progress)) (PackReport, error) {
	report := PackReport{Tensors: len(c.tensors)}
	if err := checkTarget(c.config, dir); err != nil {
		return report, err
	}
	out := filepath.Join(dir, chunkDir)
	if err := os.MkdirAll(out, 0o777); err != nil {
		return report, fmt.Errorf("weights: pack: %w", err)
	}
	if err := removeFiles(out, func(name string) bool { return strings.HasSuffix(name, partExt) }); err != nil {
		return report, err
	}
	// Of klauspost's levels, this is the first that finds anything in bf16 (it stores 78 % of it); chunks have a better checksum.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderCRC(false))
	if err != nil {
		return report, fmt.Errorf("weights: zstd: %w", err)
	}
	defer encoder.Close()

	plan := layout(c.config)
	chunks := make([]Chunk, len(plan))
	m := meter{Progress: Progress{Phase: PhasePack}}
	for _, t := range c.tensors {
		m.BytesTotal += t.Bytes()
	}
	var mu sync.Mutex // guards report and m
	err = eachParallel(ctx, len(plan), func(ctx context.Context, i int) error {
		raw, err := c.assemble(ctx, plan[i])
		if err != nil {
			return err
		}
		chunk, data := encode(encoder, raw)
		written, err := writeChunk(ctx, dir, chunk.URL, data)
		if err != nil {
			return err
		}
		chunks[i] = chunk
		mu.Lock()
		defer mu.Unlock()
		if written {
			report.Written++
		}
		if chunk.Codec == Zstd {
			report.Zstd++
		}
		report.Chunks++
		report.Bytes += chunk.Bytes
		report.RawBytes += int64(len(raw))
		m.add(int64(len(raw)), progress)
		return nil
	})
	if err != nil {
		return report, err
	}
	manifest, err := newManifest(c.config, arrange(c.tensors, plan), chunks)
	if err != nil {
		return report, err
	}
	if err := writeManifest(dir, manifest); err != nil {
		return report, err
	}
	used := make(map[string]bool, len(chunks))
	for _, k := range chunks {
		used[k.URL] = true
	}
	return report, removeFiles(out, func(name string) bool { return isChunkFile(name) && !used[chunkDir+"/"+name] })
}

// checkTarget refuses to pack over another model.
func checkTarget(config *gptoss.Config, dir string) error {
	data, err := readSmall(os.DirFS(dir), ManifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	want, err := gptoss.FormatConfig(config)
	if err != nil {
		return err
	}
	if m, err := decodeManifest(data); err == nil {
		if old, err := gptoss.ParseConfig(m.Config); err == nil {
			if have, err := gptoss.FormatConfig(old); err == nil && string(have) == string(want) {
				return nil
			}
		}
	}
	return fmt.Errorf("weights: pack: %s has a %s of another model: give an empty directory", dir, ManifestName)
}

// assemble reads the bytes of a chunk.
func (c *Checkpoint) assemble(ctx context.Context, items []item) ([]byte, error) {
	total := int64(0)
	for _, it := range items {
		total += it.n
	}
	raw := make([]byte, total)
	at := int64(0)
	for _, it := range items {
		t := &c.tensors[it.tensor]
		p := raw[at : at+it.n]
		ps := c.cut(nil, t, it.off, it.n)
		if err := c.readInto(ctx, ps, p); err != nil {
			return nil, err
		}
		if err := c.checkFinite(ps[0], t.TensorSpec, it.off, p); err != nil {
			return nil, err
		}
		at += it.n
	}
	return raw, nil
}

// encode compresses a chunk if that is worth it.
func encode(e *zstd.Encoder, raw []byte) (Chunk, []byte) {
	data, chunk := raw, Chunk{}
	if z := e.EncodeAll(raw, nil); len(z) < len(raw)-len(raw)/minSaving {
		data, chunk.Codec, chunk.RawBytes = z, Zstd, int64(len(raw))
	}
	chunk.Bytes, chunk.SHA256 = int64(len(data)), hashOf(data)
	chunk.URL = chunkDir + "/" + chunk.SHA256 + chunkExt
	return chunk, data
}

// arrange says where the parts of tensors are after they were laid out.
func arrange(tensors []located, plan [][]item) []located {
	placed := make([]located, len(tensors))
	for i, t := range tensors {
		placed[i].TensorSpec = t.TensorSpec
	}
	for i, items := range plan {
		at := int64(0)
		for _, it := range items {
			t := &placed[it.tensor]
			t.segments = append(t.segments, segment{i, at, it.n})
			at += it.n
		}
	}
	return placed
}

// isChunkFile tells Pack's own files from others.
func isChunkFile(name string) bool {
	return len(name) == 64+len(chunkExt) && strings.HasSuffix(name, chunkExt) && strings.Trim(name[:64], "0123456789abcdef") == ""
}

func removeFiles(dir string, which func(name string) bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("weights: pack: %w", err)
	}
	for _, e := range entries {
		if which(e.Name()) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("weights: pack: %w", err)
			}
		}
	}
	return nil
}

// writeChunk writes a chunk unless it is there already.
func writeChunk(ctx context.Context, dir, name string, data []byte) (written bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	c := Chunk{URL: name, Bytes: int64(len(data)), SHA256: hashOf(data)}
	if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Size() == c.Bytes {
		if _, err := (fsStore{os.DirFS(dir)}).fetch(ctx, &c, nil); err == nil {
			return false, nil
		}
	}
	return true, saveFile(filepath.Join(dir, filepath.FromSlash(name)), data)
}

// saveFile writes a file under another name first, so that it is never seen incomplete.
func saveFile(name string, data []byte) (err error) {
	defer func() { err = writeError(name, err) }()
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*"+partExt)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// writeError says what to do about an error of writing a file.
func writeError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("weights: write %s: %w: make room and run this again, what is complete is kept", name, err)
	}
	return fmt.Errorf("weights: write %s: %w", name, err)
}

func writeManifest(dir string, m *Manifest) error {
	data, err := m.Encode()
	if err != nil {
		return err
	}
	if _, err := ParseManifest(data); err != nil { // what we write, we can read
		return err
	}
	return saveFile(filepath.Join(dir, ManifestName), data)
}

// eachParallel calls do for 0 to n-1, on all processors, until one fails; that error is returned. It waits for all.
func eachParallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// PackInPlace writes the manifest of a checkpoint whose files stay where they are: its chunks are byte ranges of the safetensors
// files below base, an http or https URL, or "" for files beside the manifest. Files are read once, to hash them.
func PackInPlace(ctx context.Context, c *Checkpoint, dir, base string, progress func(Progress)) (PackReport, error) {
	report := PackReport{Tensors: len(c.tensors)}
	if _, ok := c.src.(fsSource); !ok {
		return report, errors.New("weights: pack: only safetensors files can stay where they are: leave out manifest-only")
	}
	if err := checkTarget(c.config, dir); err != nil {
		return report, err
	}
	chunks, tensors := ranges(c.files, c.tensors)
	m := meter{Progress: Progress{Phase: PhasePack}}
	for _, k := range chunks {
		m.BytesTotal += k.Bytes
	}
	var mu sync.Mutex // guards m
	err := eachParallel(ctx, len(chunks), func(ctx context.Context, i int) error {
		k := &chunks[i]
		r, err := c.src.Open(ctx, k.URL, k.start(), k.Bytes)
		if err != nil {
			return err
		}
		hash := sha256.New()
		_, err = io.CopyN(hash, r, k.Bytes)
		if err := errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("weights: pack: %s: %w", k.URL, err)
		}
		k.SHA256 = hex.EncodeToString(hash.Sum(nil))
		mu.Lock()
		defer mu.Unlock()
		m.add(k.Bytes, progress)
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
		k.URL = path.Join(c.folder, k.URL)
		if base != "" {
			if k.URL, err = url.JoinPath(base, k.URL); err != nil {
				return report, fmt.Errorf("weights: pack: base URL: %w", err)
			}
		}
	}
	manifest, err := newManifest(c.config, tensors, chunks)
	if err != nil {
		return report, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return report, fmt.Errorf("weights: pack: %w", err)
	}
	return report, writeManifest(dir, manifest)
}

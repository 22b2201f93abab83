package page

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall/js"
	"testing"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/checkpoint/safetensors"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/promise"
)

// pagedModel is a packed model in a directory, and a ChunkStore over it.
type pagedModel struct {
	source   *checkpoint.Checkpoint // what was packed
	manifest []byte
	store    js.Value
	calls    int
	released int                               // chunks
	get      func(chunk js.Value) (any, error) // in place of reading the file, if it is set
}

func newPagedModel(t *testing.T) *pagedModel {
	t.Helper()
	c, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	dir, target := t.TempDir(), filepath.Join(t.TempDir(), "packed")
	if err := checkpointtest.Write(dir, c, 1, checkpointtest.Options{}); err != nil {
		t.Fatal(err)
	}
	m := &pagedModel{}
	if m.source, err = safetensors.Open(os.DirFS(dir), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := packed.Pack(t.Context(), m.source, target, nil); err != nil {
		t.Fatal(err)
	}
	if m.manifest, err = os.ReadFile(filepath.Join(target, packed.ManifestName)); err != nil {
		t.Fatal(err)
	}
	read := func(chunk js.Value) (any, error) {
		data, err := os.ReadFile(filepath.Join(target, chunk.Get("url").String()))
		array := js.Global().Get("Uint8Array").New(len(data))
		js.CopyBytesToJS(array, data)
		return array, err
	}
	get := js.FuncOf(func(_ js.Value, args []js.Value) any {
		m.calls++
		executor := js.FuncOf(func(_ js.Value, settle []js.Value) any {
			go func() { // reading a file waits
				read := read
				if m.get != nil {
					read = m.get
				}
				if data, err := read(args[0]); err != nil {
					settle[1].Invoke(js.Global().Get("Error").New(err.Error()))
				} else {
					settle[0].Invoke(data)
				}
			}()
			return nil
		})
		defer executor.Release()
		return js.Global().Get("Promise").New(executor)
	})
	t.Cleanup(get.Release)
	release := js.FuncOf(func(js.Value, []js.Value) any {
		m.released++
		return nil
	})
	t.Cleanup(release.Release)
	m.store = js.ValueOf(map[string]any{"parallel": 3, "get": get, "release": release})
	return m
}

// pageMemory is memory of one tensor that JavaScript can write to.
type pageMemory struct{ data []byte }

func (m *pageMemory) Write(off int64, p []byte) error {
	copy(m.data[off:], p)
	return nil
}

func (m *pageMemory) WriteFrom(off int64, data js.Value, from, n int64) error {
	js.CopyBytesToGo(m.data[off:off+n], data.Call("subarray", from, from+n))
	return nil
}

// placer places each tensor in two memories.
type placer map[string][2]*pageMemory

func (p placer) Put(context.Context, gptoss.TensorSpec, int64, []byte) error {
	return errors.New("the bytes were to be moved")
}

func (p placer) Place(t gptoss.TensorSpec, off, n int64) (places []checkpoint.Place, err error) {
	m, ok := p[t.Name]
	if !ok {
		split := t.Bytes() / 2 / 4 * 4
		m = [2]*pageMemory{{make([]byte, split)}, {make([]byte, t.Bytes()-split)}}
		p[t.Name] = m
	}
	split := int64(len(m[0].data))
	if off < split {
		k := min(n, split-off)
		places, off, n = append(places, checkpoint.Place{Memory: m[0], Off: off, Bytes: k}), off+k, n-k
	}
	if n > 0 {
		places = append(places, checkpoint.Place{Memory: m[1], Off: off - split, Bytes: n})
	}
	return places, nil
}

func TestPageMovesEveryByte(t *testing.T) {
	m := newPagedModel(t)
	c, err := Open(m.manifest, m.store)
	if err != nil {
		t.Fatal(err)
	}
	var last checkpoint.Progress
	p := placer{}
	if err := c.LoadPlaced(t.Context(), p, func(p checkpoint.Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if m.calls == 0 || m.released != m.calls {
		t.Errorf("%d of %d chunks are released", m.released, m.calls)
	}
	total := int64(0)
	for _, s := range c.Config().Tensors() {
		total += s.Bytes()
		want, err := checkpointtest.ReadTensor(t.Context(), m.source, s.Name)
		if err != nil {
			t.Fatal(err)
		}
		if got := append(p[s.Name][0].data, p[s.Name][1].data...); !bytes.Equal(got, want) {
			t.Errorf("%s has other bytes", s.Name)
		}
		// One tensor by itself goes through Go.
		if got, err := checkpointtest.ReadTensor(t.Context(), c, s.Name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("ReadAt(%s) has other bytes, error %v", s.Name, err)
		}
	}
	if last.BytesDone != total || last.BytesTotal != total || last.Phase != checkpoint.PhaseDownload {
		t.Errorf("the last progress is %+v, want %d bytes", last, total)
	}
}

func TestPageErrors(t *testing.T) {
	m := newPagedModel(t)
	c, err := Open(m.manifest, m.store)
	if err != nil {
		t.Fatal(err)
	}
	m.get = func(js.Value) (any, error) { return nil, errors.New("no such luck") }
	var thrown *promise.Error
	if err := c.LoadPlaced(t.Context(), placer{}, nil); !errors.As(err, &thrown) || !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("a failing store: %v", err)
	}
	if m.calls > 3 {
		t.Errorf("%d chunks were asked for, although the first one failed", m.calls)
	}
	m.get = func(js.Value) (any, error) { return js.Global().Get("Uint8Array").New(1), nil }
	if err := c.LoadPlaced(t.Context(), placer{}, nil); err == nil || !strings.Contains(err.Error(), "has 1 bytes") {
		t.Errorf("a short chunk: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m.get = func(js.Value) (any, error) {
		cancel()
		select {} // the store would only end by its signal
	}
	if err := c.LoadPlaced(ctx, placer{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled load: %v", err)
	}
	if _, err := Open([]byte("{}"), m.store); err == nil {
		t.Error("no manifest is accepted")
	}
}

// TestPageDerive makes the manifest of a repository that lies in a directory, also of one in OpenAI's layout below original/.
func TestPageDerive(t *testing.T) {
	config, err := checkpointtest.Preset("default")
	if err != nil {
		t.Fatal(err)
	}
	config.EOS, config.Pad = nil, -1 // which OpenAI's form of config.json has not
	for _, original := range []bool{false, true} {
		root := t.TempDir()
		dir := root
		if original {
			dir = filepath.Join(root, "original")
		}
		if err := checkpointtest.Write(dir, config, 1, checkpointtest.Options{Original: original}); err != nil {
			t.Fatal(err)
		}
		reads := map[string]int{}
		read := js.FuncOf(func(_ js.Value, args []js.Value) any {
			reads[args[0].String()]++
			executor := js.FuncOf(func(_ js.Value, settle []js.Value) any {
				go func() {
					data, err := os.ReadFile(filepath.Join(root, args[0].String()))
					if err != nil {
						settle[0].Invoke(js.Undefined())
						return
					}
					part := data[args[1].Int():min(args[1].Int()+args[2].Int(), len(data))]
					array := js.Global().Get("Uint8Array").New(len(part))
					js.CopyBytesToJS(array, part)
					settle[0].Invoke(map[string]any{"size": len(data), "data": array})
				}()
				return nil
			})
			defer executor.Release()
			return js.Global().Get("Promise").New(executor)
		})
		defer read.Release()
		text, err := Derive(t.Context(), read.Value)
		if err != nil {
			t.Fatal(err)
		}
		m, err := packed.ParseDerived(text)
		if err != nil {
			t.Fatal(err)
		}
		for name, n := range reads {
			if n > 1 {
				t.Errorf("the beginning of %s was read %d times", name, n)
			}
		}
		for _, c := range m.Chunks {
			if _, err := os.Stat(filepath.Join(root, c.URL)); err != nil || c.Offset == nil || c.SHA256 != "" {
				t.Errorf("chunk %+v: %v", c, err)
			}
		}
	}
	nothing := js.FuncOf(func(js.Value, []js.Value) any { return js.Undefined() })
	defer nothing.Release()
	if _, err := Derive(t.Context(), nothing.Value); err == nil {
		t.Error("a repository without files has a manifest")
	}
}

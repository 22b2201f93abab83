package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	gossamer "gossamer/runtime"
	"gossamer/runtime/checkpoint"
)

// modelFlags choose a model and what runs it.
type modelFlags struct {
	model      string
	backend    string
	adapter    string
	kv         string
	cacheDir   string
	context    int
	maxBinding int64
	checkpoint *checkpoint.Checkpoint // in place of what model names, if not nil
}

func (m *modelFlags) declare(fs *flag.FlagSet) {
	fs.StringVar(&m.model, "model", defaultModel, "the built-in model's `name`, a directory with a checkpoint or a packed model, or the URL of one")
	fs.StringVar(&m.cacheDir, "cache-dir", "", "`directory` that keeps models of URLs; the user's cache directory if empty")
	fs.StringVar(&m.backend, "backend", "auto", "what computes: `auto`, webgpu or cpu; auto takes the cpu where webgpu does not work")
	fs.StringVar(&m.adapter, "adapter", "", "the GPU: an `index` of gossamer doctor or a part of its name; the most capable one if empty")
	fs.StringVar(&m.kv, "kv", "", "precision of keys and values: `f16` or f32; f16 on webgpu and f32 on the cpu if empty")
	fs.IntVar(&m.context, "ctx", 0, "context in `tokens`; 0: what there is room for")
	fs.Int64Var(&m.maxBinding, "max-binding", 0, "allow buffers of that many `bytes` only, as a weaker device would; 0: what the adapter allows")
}

// open loads the model, with progress on a terminal. The caller closes the engine.
func (m *modelFlags) open(ctx context.Context, env *env) (*gossamer.Engine, error) {
	embedded, err := embeddedModels(m.model)
	if err != nil {
		return nil, err
	}
	switch gossamer.Backend(m.backend) {
	case gossamer.Auto, gossamer.WebGPU, gossamer.CPU:
	default:
		return nil, usagef("--backend %q, want auto, webgpu or cpu", m.backend)
	}
	if m.kv != "" && m.kv != "f16" && m.kv != "f32" {
		return nil, usagef("--kv %q, want f16 or f32", m.kv)
	}
	if m.context < 0 || m.maxBinding < 0 {
		return nil, usagef("--ctx and --max-binding want 0 or more")
	}
	quietDrivers()
	bar := newProgress(env.stderr)
	e, err := gossamer.Open(ctx, m.model, gossamer.Options{
		Backend:         gossamer.Backend(m.backend),
		Context:         m.context,
		KV:              gossamer.Precision(m.kv),
		Adapter:         m.adapter,
		MaxBindingBytes: m.maxBinding,
		Checkpoint:      m.checkpoint,
		CacheDir:        m.cacheDir,
		Embedded:        embedded,
		Progress:        bar.weights,
	})
	bar.clear()
	return e, err
}

// describe is one line about an open model.
func describe(e *gossamer.Engine) string {
	i := e.Info()
	on := "the CPU (plain Go, slow)"
	if i.Backend == gossamer.WebGPU {
		on = "WebGPU: " + i.Adapter
	}
	text := fmt.Sprintf("%s on %s, context %d tokens, %s keys and values", i.Model, on, i.Context, i.KV)
	if !i.Verified && strings.Contains(i.Model, "://") { // files of one's own are not in question
		text += "; its weights are not verified: there are no published hashes"
	}
	return text
}

// quietDrivers stops Mesa's layer for choosing a device from complaining about the desktop session that a server doesn't have.
// It must run before the first adapter is asked for; what the user has set stays.
func quietDrivers() {
	if os.Getenv("XDG_RUNTIME_DIR") == "" && os.Getenv("NODEVICE_SELECT") == "" {
		os.Setenv("NODEVICE_SELECT", "1")
	}
}

// progress shows one line on a terminal, replaced as things go on.
type progress struct {
	w     io.Writer // nil where nobody looks
	start time.Time
	shown time.Time
}

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{w: f}
	}
	return &progress{}
}

func (p *progress) show(text string) {
	if p.w != nil && time.Since(p.shown) > 100*time.Millisecond {
		p.shown = time.Now()
		fmt.Fprintf(p.w, "\r\x1b[K%s", text)
	}
}

func (p *progress) clear() {
	if p.w != nil && !p.shown.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func (p *progress) weights(w checkpoint.Progress) {
	if p.start.IsZero() {
		p.start = time.Now()
	}
	rate := float64(w.BytesDone) / max(time.Since(p.start).Seconds(), 1e-3)
	left := time.Duration(float64(w.BytesTotal-w.BytesDone) / max(rate, 1) * float64(time.Second))
	p.show(fmt.Sprintf("%s: %d of %d MiB, %.0f MiB/s, %s left", w.Phase, w.BytesDone>>20, w.BytesTotal>>20, rate/(1<<20), left.Round(time.Second)))
}

// tokenFlags give token ids.
type tokenFlags struct{ list, file string }

func (t *tokenFlags) declare(fs *flag.FlagSet) {
	fs.StringVar(&t.list, "tokens", "", "token `ids`, comma-separated")
	fs.StringVar(&t.file, "tokens-file", "", "`file` with a JSON array of token ids; - for standard input")
}

func (t *tokenFlags) read(env *env) ([]int32, error) {
	var ids []int32
	switch {
	case (t.list == "") == (t.file == ""):
		return nil, usagef("give either --tokens or --tokens-file")
	case t.list != "":
		for _, f := range strings.Split(t.list, ",") {
			id, err := strconv.ParseInt(strings.TrimSpace(f), 10, 32)
			if err != nil {
				return nil, usagef("--tokens: %q is not a token id", f)
			}
			ids = append(ids, int32(id))
		}
	default:
		var data []byte
		var err error
		if t.file == "-" {
			data, err = io.ReadAll(env.stdin)
		} else {
			data, err = os.ReadFile(t.file)
		}
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, &ids); err != nil {
			return nil, fmt.Errorf("%s: want a JSON array of token ids: %w", t.file, err)
		}
	}
	if len(ids) == 0 {
		return nil, errors.New("there are no tokens: give at least one")
	}
	return ids, nil
}

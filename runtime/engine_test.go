package runtime_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
	"gossamer/runtime/checkpoint"
	"gossamer/runtime/engine"
	"gossamer/runtime/goldentest"
	"gossamer/runtime/gpu"
	"gossamer/runtime/gpu/gputest"
	"gossamer/runtime/sample"
)

// generate continues the last golden prompt.
func generate(t *testing.T, e *gossamer.Engine, c *goldentest.Case, p sample.Params) []int32 {
	t.Helper()
	var ids []int32
	r := engine.Request{Tokens: c.Prompts[len(c.Prompts)-1].Tokens, MaxTokens: len(c.Greedy.Tokens), Sampling: p}
	if _, err := e.Generate(t.Context(), r, func(t engine.Token) bool {
		ids = append(ids, t.ID)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return ids
}

func open(t *testing.T, model string, o gossamer.Options) *gossamer.Engine {
	t.Helper()
	e, err := gossamer.Open(t.Context(), model, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestBackendsGenerateTheSame(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	var drawn []int32 // by the CPU
	for _, tt := range []struct {
		name    string
		options gossamer.Options
		want    gossamer.Backend
	}{
		{"CPU", gossamer.Options{Backend: gossamer.CPU}, gossamer.CPU},
		{"WebGPU", gossamer.Options{Backend: gossamer.WebGPU, KV: gossamer.F32}, gossamer.WebGPU},
		{"Auto", gossamer.Options{KV: gossamer.F32}, gossamer.WebGPU},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == gossamer.WebGPU {
				gputest.Open(t, gpu.Options{}) // skips where there is none
			}
			var last checkpoint.Progress
			tt.options.Progress = func(p checkpoint.Progress) { last = p }
			tt.options.Context = 256
			e := open(t, c.ModelDir(t), tt.options)
			info := e.Info()
			if info.Backend != tt.want || info.KV != gossamer.F32 || info.Reason != "" || (info.Adapter != "") != (tt.want == gossamer.WebGPU) || info.Context != 256 {
				t.Errorf("info %+v", info)
			}
			if last.BytesTotal == 0 || last.BytesDone != last.BytesTotal {
				t.Errorf("last progress %+v", last)
			}
			if got := generate(t, e, c, sample.Params{}); !slices.Equal(got, c.Greedy.Tokens) {
				t.Errorf("tokens %v, want %v", got, c.Greedy.Tokens)
			}
			// The noise is the same everywhere. Logits differ by less than 1e-3, so that another token wins only where two
			// are as close; for this seed, none are.
			got := generate(t, e, c, sample.Params{Temperature: 1, Seed: 42})
			if tt.want == gossamer.CPU {
				drawn = got
			} else if !slices.Equal(got, drawn) {
				t.Errorf("drawn %v, the CPU drew %v", got, drawn)
			}
			// Its vocabulary is not gpt-oss's.
			for _, err := range e.Chat(t.Context(), chat.Request{}) {
				if err == nil || !strings.Contains(err.Error(), "256 ids") {
					t.Errorf("chat: %v", err)
				}
			}
			if _, err := e.Prompt(chat.Request{}); err == nil {
				t.Error("a prompt for another vocabulary was rendered")
			}
		})
	}
}

func TestAutoFallsBack(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	e := open(t, c.ModelDir(t), gossamer.Options{Adapter: "no such adapter"})
	if info := e.Info(); info.Backend != gossamer.CPU || !strings.Contains(info.Reason, "no such adapter") && !strings.Contains(info.Reason, gpu.ErrNoAdapter.Error()) {
		t.Errorf("info %+v, want the CPU and the reason", info)
	}
	if _, err := gossamer.Open(t.Context(), c.ModelDir(t), gossamer.Options{Backend: gossamer.WebGPU, Adapter: "no such adapter"}); err == nil {
		t.Error("WebGPU fell back")
	}
}

func TestOpenEmbedded(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	embedded := map[string]fs.FS{"nano": os.DirFS(c.ModelDir(t))}
	e := open(t, "nano", gossamer.Options{Backend: gossamer.CPU, Embedded: embedded})
	if got := generate(t, e, c, sample.Params{}); !slices.Equal(got, c.Greedy.Tokens) {
		t.Errorf("tokens %v, want %v", got, c.Greedy.Tokens)
	}
	if _, err := gossamer.Open(t.Context(), "micro", gossamer.Options{Embedded: embedded}); err == nil || !strings.Contains(err.Error(), "(nano)") {
		t.Errorf("an unknown name: %v", err)
	}
}

// TestNotesAreLogged: what is worth knowing about a model's files is told where it is used.
func TestNotesAreLogged(t *testing.T) {
	var log strings.Builder
	o := gossamer.Options{Backend: gossamer.CPU, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	open(t, "../testdata/golden/gqa_window8/model.gguf", o)
	if want := `note="25 tensors are F32 in the GGUF file and become BF16"`; !strings.Contains(log.String(), want) {
		t.Errorf("log %q, want %s", log.String(), want)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := goldentest.Load(t, "gqa_window8").ModelDir(t)
	for _, tt := range []struct {
		name, model string
		options     gossamer.Options
		want        string
	}{
		{"URL", "ftp://example.com/model", gossamer.Options{}, "ftp"},
		{"NoDirectory", "/no/such/model", gossamer.Options{}, "is not a directory"},
		{"NoCheckpoint", t.TempDir(), gossamer.Options{}, "config.json"},
		{"Backend", dir, gossamer.Options{Backend: "cuda"}, "Backend"},
		{"KV", dir, gossamer.Options{KV: "q8"}, "KV"},
		{"Context", dir, gossamer.Options{Context: -1}, "Context"},
		{"MaxSequences", dir, gossamer.Options{MaxSequences: -1}, "MaxSequences"},
		{"MaxBindingBytes", dir, gossamer.Options{MaxBindingBytes: -1}, "MaxBindingBytes"},
		{"ContextOfTheModel", dir, gossamer.Options{Backend: gossamer.CPU, Context: 1 << 30}, "context"},
	} {
		if _, err := gossamer.Open(t.Context(), tt.model, tt.options); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := gossamer.Open(ctx, dir, gossamer.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// The second turn computes the first answer and the new message, and nothing else, though the window of the sliding layers has
// left the pages of the first prompt: its end is a resume point. Its reply is the one that a fresh engine gives.
func TestSecondTurn(t *testing.T) {
	dir, err := writeModel()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, backend := range []gossamer.Backend{gossamer.CPU, gossamer.WebGPU} {
		t.Run(string(backend), func(t *testing.T) {
			if backend == gossamer.WebGPU {
				gputest.Open(t, gpu.Options{})
			}
			options := gossamer.Options{Backend: backend, Context: 2048, KV: gossamer.F32}
			e := open(t, dir, options)
			v := e.Conversation(chat.Request{Date: "2026-11-22", Sampling: &sample.Params{}, MaxTokens: 40})
			first, err := chat.Collect(v.Say(t.Context(), strings.Repeat("Why is the sky blue? ", 30)))
			if err != nil {
				t.Fatal(err)
			}
			v.Request.MaxTokens = 5
			second, err := chat.Collect(v.Say(t.Context(), "And at night?"))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := second.Usage.CachedTokens, first.Usage.PromptTokens; got != want {
				t.Errorf("%d tokens cached, want the first prompt, %d", got, want)
			}

			again := v.Request
			again.Messages = again.Messages[:3]
			fresh, err := chat.Collect(open(t, dir, options).Chat(t.Context(), again))
			if err != nil {
				t.Fatal(err)
			}
			if fresh.Usage.CachedTokens != 0 || fresh.Message.Content != second.Message.Content {
				t.Errorf("a fresh engine answers %q, the one that resumed %q", fresh.Message.Content, second.Message.Content)
			}
		})
	}
}

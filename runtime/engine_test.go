package runtime_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
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
	"gossamer/runtime/nano"
	"gossamer/runtime/playback"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
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
			want := tt.want
			if want == gossamer.WebGPU {
				dev := gputest.Open(t, gpu.Options{}) // skips where there is none
				if tt.options.Backend == "" && dev.Caps().Adapter.CPU() {
					want = gossamer.CPU // a software renderer is slower
				}
			}
			var last checkpoint.Progress
			tt.options.Progress = func(p checkpoint.Progress) { last = p }
			tt.options.Context = 256
			e := open(t, c.ModelDir(t), tt.options)
			info := e.Info()
			if info.Backend != want || info.KV != gossamer.F32 || (info.Reason != "") != (want != tt.want) || (info.Adapter != "") != (want == gossamer.WebGPU) || info.Context != 256 {
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
			if _, err := e.Prompt(t.Context(), chat.Request{}); err == nil {
				t.Error("a prompt for another vocabulary was rendered")
			}
		})
	}
}

// TestAutoTakesTheCPUForTroubleOfTheDeviceAlone: where a GPU is at hand, or a software renderer that is named, what is wrong with the
// device leads to the CPU; an adapter that is not there, and what is wrong with the model, are told once.
func TestAutoTakesTheCPUForTroubleOfTheDeviceAlone(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	dev := gputest.Open(t, gpu.Options{})
	e := open(t, c.ModelDir(t), gossamer.Options{Device: deviceWithSmallBindings(t)})
	if info := e.Info(); info.Backend != gossamer.CPU || !strings.Contains(info.Reason, "the device") {
		t.Errorf("info %+v, want the CPU and the reason", info)
	}
	for _, backend := range []gossamer.Backend{gossamer.Auto, gossamer.WebGPU} {
		_, err := gossamer.Open(t.Context(), c.ModelDir(t), gossamer.Options{Backend: backend, Adapter: "no such adapter"})
		if !errors.Is(err, gpu.ErrNoAdapter) || !strings.Contains(err.Error(), "no such adapter") {
			t.Errorf("%s, an adapter that is not there: %v", backend, err)
		}
	}
	_, err := gossamer.Open(t.Context(), damaged(t, c.ModelDir(t)), gossamer.Options{Device: dev})
	if err == nil || strings.Count(err.Error(), "NaN") != 1 {
		t.Errorf("damaged weights: %v; want one complaint of a NaN", err)
	}
}

// deviceWithSmallBindings cannot hold any model.
func deviceWithSmallBindings(t *testing.T) *gpu.Device {
	return gputest.Open(t, gpu.Options{MaxBindingBytes: 256})
}

// damaged is a copy of a checkpoint whose last weights are NaN.
func damaged(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(to, "*.safetensors"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		header := int(binary.LittleEndian.Uint64(data))
		for i := 8 + header; i < len(data); i++ {
			data[i] = 0xff
		}
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestOpenPlayback: replies are those of a file, and Info says so.
func TestOpenPlayback(t *testing.T) {
	const file = `{"version": 1, "plays": [{"name": "all", "when": {}, "reply": [{"text": "<|channel|>final<|message|>played"}]}]}`
	play := func(tok *tokenizer.Tokenizer, context int) (engine.Backend, error) {
		return playback.Load([]byte(file), tok, playback.Options{Context: context})
	}
	e := open(t, "some plays", gossamer.Options{Playback: play, Context: 500})
	if i := e.Info(); i.Backend != gossamer.Playback || i.Model != "some plays" || i.Context != 500 || i.Adapter != "" || i.KV != "" || i.Verified {
		t.Errorf("info %+v", i)
	}
	r, err := chat.Collect(e.Chat(t.Context(), chat.Request{Messages: []chat.Message{{Role: chat.User, Content: "x"}}}))
	if err != nil || r.Message.Content != "played" {
		t.Errorf("%+v, %v", r, err)
	}
	for _, o := range []gossamer.Options{
		{Playback: play, Backend: gossamer.CPU}, {Playback: play, KV: gossamer.F32}, {Playback: play, Context: -1}, {Playback: play, Adapter: "0"}, {Backend: gossamer.Playback},
	} {
		if _, err := gossamer.Open(t.Context(), "x", o); err == nil {
			t.Errorf("accepted: %+v", o)
		}
	}
}

func TestOpenEmbedded(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	embedded := map[string]fs.FS{"nano": os.DirFS(c.ModelDir(t))}
	e := open(t, "nano", gossamer.Options{Backend: gossamer.CPU, Embedded: embedded})
	if got := generate(t, e, c, sample.Params{}); !slices.Equal(got, c.Greedy.Tokens) {
		t.Errorf("tokens %v, want %v", got, c.Greedy.Tokens)
	}
	if _, err := gossamer.Open(t.Context(), "micro", gossamer.Options{Embedded: embedded}); err == nil || !strings.Contains(err.Error(), "or nano, which the program carries") {
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
		{"URL", "ftp://example.com/model", gossamer.Options{Backend: gossamer.CPU}, "ftp"},
		{"NoDirectory", "/no/such/model", gossamer.Options{Backend: gossamer.CPU}, "there is no directory and no file /no/such/model"},
		{"NoModel", "llama", gossamer.Options{Backend: gossamer.CPU}, "there is no model \"llama\": give gpt-oss-20b, gpt-oss-120b, or OWNER/REPO"},
		{"NotPulled", "someone/never-pulled", gossamer.Options{Backend: gossamer.CPU, CacheDir: t.TempDir()}, "someone/never-pulled is not on this machine: run gossamer pull someone/never-pulled (there is no such directory either)"},
		{"NoCheckpoint", t.TempDir(), gossamer.Options{Backend: gossamer.CPU}, "config.json"},
		{"Backend", dir, gossamer.Options{Backend: "cuda"}, "Backend"},
		{"KV", dir, gossamer.Options{KV: "q8"}, "KV"},
		{"Context", dir, gossamer.Options{Context: -1}, "Context"},
		{"MaxSequences", dir, gossamer.Options{MaxSequences: -1}, "MaxSequences"},
		{"Rows", dir, gossamer.Options{Rows: -1}, "Rows"},
		{"MaxBindingBytes", dir, gossamer.Options{MaxBindingBytes: -1}, "MaxBindingBytes"},
		{"ContextOfTheModel", dir, gossamer.Options{Backend: gossamer.CPU, Context: 1 << 30}, "context"},
		{"AdapterOfTheCPU", dir, gossamer.Options{Backend: gossamer.CPU, Adapter: "0"}, "Adapter"},
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

// TestCloseInAChat closes the engine while a reply is read.
func TestCloseInAChat(t *testing.T) {
	ck, err := nano.Checkpoint() // whose replies are streamed, since it writes headers
	if err != nil {
		t.Fatal(err)
	}
	for _, backend := range []gossamer.Backend{gossamer.CPU, gossamer.WebGPU} {
		t.Run(string(backend), func(t *testing.T) {
			if backend == gossamer.WebGPU {
				gputest.Open(t, gpu.Options{})
			}
			e := open(t, "nano", gossamer.Options{Backend: backend, Checkpoint: ck, Context: 2048})
			closed, last := false, error(nil)
			r := chat.Request{Messages: []chat.Message{{Role: chat.User, Content: "Why?"}}, MaxTokens: 500}
			for _, err := range e.Chat(t.Context(), r) {
				if last = err; !closed {
					closed = true
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				}
			}
			if !errors.Is(last, engine.ErrClosed) {
				t.Errorf("the reply ended with %v, want ErrClosed", last)
			}
			for _, err := range e.Chat(t.Context(), r) {
				if !errors.Is(err, engine.ErrClosed) {
					t.Errorf("afterwards: %v", err)
				}
			}
		})
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
			// A GPU resumes before the last token of a prompt, which is computed like those of the reply; the CPU anywhere.
			if got, whole := second.Usage.CachedTokens, first.Usage.PromptTokens; got != whole && got != whole-1 {
				t.Errorf("%d tokens cached, want those of the first prompt, %d, perhaps without the last", got, whole)
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

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	gossamer "gossamer/runtime"
	"gossamer/runtime/checkpoint"
	"gossamer/runtime/engine"
	"gossamer/runtime/jsonerror"
	"gossamer/runtime/ref"
	"gossamer/runtime/tokenizer"
)

// modelFlags choose a model and what runs it.
type modelFlags struct {
	model         string
	playback      string // a file that is played in place of a model; "": none
	backend       string
	adapter       string
	kv            string
	cacheDir      string
	context       int
	kvTokens      int
	maxBinding    int64
	resume        int64 // bytes
	rows          int   // 0: as many as are usual
	sequences     int   // 0: as many as are usual
	queue         int   // requests that may wait; 0: any number
	queueTokens   int   // of their prompts; 0: see gossamer.Options
	verbose       bool
	yes           bool // download without asking; of commands that ask
	deterministic bool
	matrices      string
	checkpoint    *checkpoint.Checkpoint      // in place of what model names, if not nil
	record        func(prompt, reply []int32) // of conversations; nil: nothing is recorded
}

func (m *modelFlags) declare(fs *flag.FlagSet) {
	fs.StringVar(&m.model, "model", defaultModel, "a model's `name` (gpt-oss-20b; see gossamer help pull), a directory with a checkpoint or a packed model, "+
		"a GGUF file, or the URL of one")
	m.declareRunning(fs)
}

// declareRunning declares what says how a model is run.
func (m *modelFlags) declareRunning(fs *flag.FlagSet) {
	fs.StringVar(&m.cacheDir, "cache-dir", "", "`directory` that keeps downloaded models; GOSSAMER_MODELS or the user's cache directory if empty")
	fs.StringVar(&m.backend, "backend", "auto", "what computes: `auto`, webgpu or cpu; auto is webgpu where there is a GPU that works, else cpu")
	fs.StringVar(&m.adapter, "adapter", "", "the GPU: an `index` of gossamer doctor or a part of its name; the most capable one if empty")
	fs.BoolVar(&m.verbose, "verbose", false, "log on standard error what is chosen and done (-v does too); without it, what goes wrong and is got over")
	fs.StringVar(&m.kv, "kv", "", "precision of keys and values: `f16` or f32; f16 on webgpu and f32 on the cpu if empty")
	fs.StringVar(&m.matrices, "matrices", string(gossamer.TwoTerms), "prompts, and 16 and more replies at a time, where a GPU's subgroups multiply matrices: `two-terms`, one-term (prompts faster, activations rounded to f16) or off")
	fs.BoolVar(&m.deterministic, "deterministic", false, "a text has the same logits to the bit whatever else is computed beside it; slower")
	fs.IntVar(&m.context, "ctx", 0, "context in `tokens`; 0: what there is room for")
	fs.IntVar(&m.kvTokens, "kv-tokens", 0, "`tokens` of all texts together that a GPU has room for, at least --ctx; what they share counts once; 0: as many as --ctx")
	fs.Int64Var(&m.resume, "resume-bytes", 0, "`bytes` of a GPU's memory for places from which conversations go on otherwise, least recently used first to go; 0: for about 16")
	fs.Int64Var(&m.maxBinding, "max-binding", 0, "allow buffers of that many `bytes` only, as a weaker device would; 0: what the adapter allows")
}

// declarePlayback is for commands that need no weights.
func (m *modelFlags) declarePlayback(fs *flag.FlagSet) {
	fs.StringVar(&m.playback, "playback", "", "play the replies of a `file` in place of a model's; see gossamer help playback")
}

// declarePull is for commands that download a model which is not here.
func (m *modelFlags) declarePull(fs *flag.FlagSet) {
	fs.BoolVar(&m.yes, "yes", false, "download a model that is not here without asking")
}

// check refuses what is out of range, before anything is loaded.
func (m *modelFlags) check() error {
	backend := gossamer.Backend(m.backend)
	switch {
	case m.playback != "" && (m.model != defaultModel || backend != gossamer.Auto || m.adapter != "" || m.maxBinding != 0 ||
		m.kv != "" || m.kvTokens != 0 || m.resume != 0 || m.deterministic):
		return usagef("--model, --backend, --kv, --kv-tokens, --resume-bytes, --adapter, --max-binding and --deterministic are for models, not for --playback")
	case backend != gossamer.Auto && backend != gossamer.WebGPU && backend != gossamer.CPU:
		return usagef("--backend %q, want auto, webgpu or cpu", m.backend)
	case m.kv != "" && m.kv != "f16" && m.kv != "f32":
		return usagef("--kv %q, want f16 or f32", m.kv)
	case !slices.Contains([]gossamer.Matrices{"", gossamer.TwoTerms, gossamer.OneTerm, gossamer.NoMatrices}, gossamer.Matrices(m.matrices)):
		return usagef("--matrices %q, want two-terms, one-term or off", m.matrices)
	case m.context < 0 || m.kvTokens < 0 || m.resume < 0 || m.maxBinding < 0:
		return usagef("--ctx, --kv-tokens, --resume-bytes and --max-binding want 0 or more")
	case m.kvTokens > 0 && m.kvTokens < m.context:
		return usagef("--kv-tokens %d is less than --ctx %d, which one text may fill", m.kvTokens, m.context)
	case backend == gossamer.CPU && m.adapter != "":
		return usagef("--adapter is for --backend webgpu or auto")
	case backend == gossamer.CPU && m.maxBinding > 0:
		return usagef("--max-binding is for --backend webgpu or auto")
	case m.model == "":
		return usagef("--model is empty")
	}
	return nil
}

// together asks for room for n texts, which are computed together.
func (m *modelFlags) together(n int) {
	m.sequences, m.rows = n, 1
	for m.rows < n {
		m.rows *= 2
	}
	m.sequences = max(m.sequences, m.rows)
}

// open loads the model, and tells of progress, of what was not as expected, and why the CPU computes, if it does. The caller closes
// the engine.
func (m *modelFlags) open(ctx context.Context, env *env) (*gossamer.Engine, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	if m.playback != "" {
		return m.openPlayback(ctx, env)
	}
	embedded, err := embeddedModels(m.model)
	if err != nil {
		return nil, err
	}
	limitHeap()
	quietDrivers()
	bar := newProgress(env.stderr)
	defer bar.clear()
	if strings.Contains(m.model, "://") {
		bar.wait("opening " + checkpoint.WithoutLogin(m.model))
	}
	e, err := gossamer.Open(ctx, m.model, gossamer.Options{
		Backend:         gossamer.Backend(m.backend),
		Context:         m.context,
		KVTokens:        m.kvTokens,
		ResumeBytes:     m.resume,
		KV:              gossamer.Precision(m.kv),
		Adapter:         m.adapter,
		MaxBindingBytes: m.maxBinding,
		Rows:            m.rows,
		MaxSequences:    m.sequences,
		MaxQueue:        m.queue,
		MaxQueueTokens:  m.queueTokens,
		Deterministic:   m.deterministic,
		Matrices:        gossamer.Matrices(m.matrices),
		Checkpoint:      m.checkpoint,
		Record:          m.record,
		CacheDir:        m.cacheDir,
		Embedded:        embedded,
		Progress:        bar.work,
		Logger:          newLogger(env.stderr, m.verbose),
	})
	if err != nil {
		return nil, err
	}
	if reason := e.Info().Reason; reason != "" {
		fmt.Fprintf(env.stderr, "gossamer: the CPU computes: %s\n", reason)
	}
	return e, nil
}

// openPlayback opens a file of plays.
func (m *modelFlags) openPlayback(ctx context.Context, env *env) (*gossamer.Engine, error) {
	return gossamer.Open(ctx, m.playback, gossamer.Options{
		Context:        m.context,
		MaxSequences:   m.sequences,
		MaxQueue:       m.queue,
		MaxQueueTokens: m.queueTokens,
		Record:         m.record,
		Logger:         newLogger(env.stderr, m.verbose),
		Playback: func(tok *tokenizer.Tokenizer, window int) (engine.Backend, error) {
			return loadPlayback(ctx, env, m.playback, tok, window)
		},
	})
}

// limitHeap collects garbage more often when memory becomes short: by itself the heap grows to twice the model before anything is freed.
func limitHeap() {
	if free, known := ref.FreeMemory(); known && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(free.Bytes / 10 * 9)
	}
}

// newLogger logs to w what went wrong and was got over, such as a download that was interrupted; verbose: also what was chosen.
func newLogger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// describe is one line about an open model.
func describe(e *gossamer.Engine) string {
	i := e.Info()
	if i.Backend == gossamer.Playback {
		return fmt.Sprintf("%s is played, no model answers, context %d tokens", i.Model, i.Context)
	}
	text := fmt.Sprintf("%s on %s, context %d tokens, %s keys and values", i.Model, runsOn(e), i.Context, i.KV)
	if !i.Verified && strings.Contains(i.Model, "://") { // files of one's own are not in question
		text += "; its weights are not verified: there are no published hashes"
	}
	return text
}

// runsOn is what computes, in words.
func runsOn(e *gossamer.Engine) string {
	switch i := e.Info(); i.Backend {
	case gossamer.Playback:
		return "no model: replies of a file"
	case gossamer.WebGPU:
		return "WebGPU: " + i.Adapter
	}
	return "the CPU (plain Go)"
}

// quietDrivers stops Mesa's layer for choosing a device from complaining about the desktop session that a server doesn't have.
// It must run before the first adapter is asked for; what the user has set stays.
func quietDrivers() {
	if os.Getenv("XDG_RUNTIME_DIR") == "" && os.Getenv("NODEVICE_SELECT") == "" {
		os.Setenv("NODEVICE_SELECT", "1")
	}
}

// tokenFlags give token ids.
type tokenFlags struct{ list, file string }

func (t *tokenFlags) declare(fs *flag.FlagSet) {
	fs.StringVar(&t.list, "tokens", "", "token `ids`, comma-separated")
	fs.StringVar(&t.file, "tokens-file", "", "`file` with a JSON array of token ids; - for standard input")
}

// readSeveral is read of several texts, which are separated by semicolons in a list, and an array of arrays in a file.
func (t *tokenFlags) readSeveral(ctx context.Context, env *env) ([][]int32, error) {
	if t.file == "" && strings.Contains(t.list, ";") {
		var all [][]int32
		for _, list := range strings.Split(t.list, ";") {
			ids, err := (&tokenFlags{list: list}).read(ctx, env)
			if err != nil {
				return nil, err
			}
			all = append(all, ids)
		}
		return all, nil
	}
	var all [][]int32
	ids, err := t.readOr(ctx, env, &all)
	if err != nil {
		return nil, err
	}
	if all == nil {
		all = [][]int32{ids}
	}
	for _, ids := range all {
		if err := checkTokens(ids); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (t *tokenFlags) read(ctx context.Context, env *env) ([]int32, error) {
	ids, err := t.readOr(ctx, env, nil)
	if err != nil {
		return nil, err
	}
	return ids, checkTokens(ids)
}

// readOr reads one text, or several where the file has some and the caller takes them.
func (t *tokenFlags) readOr(ctx context.Context, env *env, several *[][]int32) ([]int32, error) {
	var ids []int32
	switch {
	case (t.list == "") == (t.file == ""):
		return nil, usagef("give either --tokens or --tokens-file")
	case t.list != "":
		for _, f := range strings.Split(t.list, ",") {
			id, err := strconv.ParseInt(strings.TrimSpace(f), 10, 32)
			if err != nil || id < 0 {
				return nil, usagef("--tokens: %q is not a token id", f)
			}
			ids = append(ids, int32(id))
		}
	default:
		data, err := readNamed(ctx, env, t.file)
		if err != nil {
			return nil, err
		}
		var list []json.RawMessage
		if several != nil && json.Unmarshal(data, &list) == nil && len(list) > 0 && list[0][0] == '[' {
			*several = make([][]int32, len(list))
			for i, raw := range list {
				if err := json.Unmarshal(raw, &(*several)[i]); err != nil {
					return nil, fmt.Errorf("%s: prompt %d of %d: want a JSON array of token ids: %w", t.file, i, len(list), jsonerror.Plain(err))
				}
			}
			return nil, nil
		}
		if err := json.Unmarshal(data, &ids); err != nil {
			return nil, fmt.Errorf("%s: want a JSON array of token ids: %w", t.file, jsonerror.Plain(err))
		}
	}
	return ids, nil
}

func checkTokens(ids []int32) error {
	if len(ids) == 0 {
		return errors.New("there are no tokens: give at least one")
	}
	if i := slices.IndexFunc(ids, func(id int32) bool { return id < 0 }); i >= 0 {
		return fmt.Errorf("token %d is %d, which is no token id", i, ids[i])
	}
	return nil
}

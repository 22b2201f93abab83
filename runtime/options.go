package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/tokenizer"
)

// Backend is what computes the model.
type Backend string

const (
	Auto   Backend = "auto"   // WebGPU if there is a GPU that works, or one is named, else CPU; Info says which, and why
	WebGPU Backend = "webgpu" // a GPU, or a software adapter, which computes on the CPU
	CPU    Backend = "cpu"    // plain Go, without any device: exact, slower than a GPU, faster than a software adapter

	Playback Backend = "playback" // nothing computes: the tokens are those of a file; see Options.Playback
)

// Precision is how keys and values are stored.
type Precision string

const (
	F16 Precision = "f16" // 2 bytes
	F32 Precision = "f32" // 4 bytes, for exact comparison
)

// Matrices is how prompts, and large batches of replies, are computed on a GPU whose subgroups multiply matrices and whose driver tells.
type Matrices string

const (
	TwoTerms   Matrices = "two-terms" // by matrices, as exactly as without
	OneTerm    Matrices = "one-term"  // the same with activations of prompts rounded to f16: faster, with an error of 2e-4 of a product's spread
	NoMatrices Matrices = "off"       // as on other GPUs
)

// Options of Open. The zero value suits one user. They cannot be changed later.
type Options struct {
	// Backend computes the model. "": Auto.
	Backend Backend
	// Context is the number of positions, in tokens. 0: what the device has room for, at most what the model was made for; 8,192
	// on the CPU.
	Context int
	// KVTokens is how many tokens a GPU has room for in all conversations together, at least Context; what they share counts once. 0: as many
	// as Context, or more where the CPU computes, which takes memory as it needs it.
	KVTokens int
	// KV is the precision of keys and values. "": F16 with WebGPU. The CPU always stores F32, to which "" leaves them; F16 rounds
	// them there, for comparison.
	KV Precision
	// ResumeBytes is how much of a GPU's memory is for places at which conversations go on otherwise than they did, where part of the layers
	// would have to be computed again: the ends of instructions, prompts and replies. The least recently used ones make room. 0: as much as
	// 16 of them take at most.
	ResumeBytes int64
	// MaxSequences is the number of conversations that are served at a time. A GPU keeps others as long as there is room, the CPU MaxSequences
	// of both kinds. 0: 4, or Rows if that is more.
	MaxSequences int
	// MaxQueue is how many replies may wait; more are refused with an engine.BusyError. 0: any number.
	MaxQueue int
	// MaxQueueTokens is how many tokens the prompts of waiting replies may have together; what exceeds that is refused in the same way, unless
	// nobody waits. 0: with MaxQueue eight times the context, else any number.
	MaxQueueTokens int
	// Rows is the number of replies that a GPU computes together, a power of two up to 32. More take turns. 0: 8, in a browser 1, at most
	// MaxSequences.
	Rows int

	// Deterministic makes the logits of a text the same to the bit, whatever else a GPU computes beside it and however much of the prompt was
	// in memory from an earlier one. It takes longer. The CPU always does.
	Deterministic bool

	// Matrices is how prompts, and 16 and more replies at a time, are computed on a GPU whose subgroups multiply matrices; elsewhere it means
	// nothing. "": TwoTerms.
	Matrices Matrices

	// Adapter chooses the GPU: an index as `gossamer doctor` lists them, or a part of its name. "": the most capable one. One that
	// is named and not there is an error, also with Auto.
	Adapter string
	// MaxBindingBytes lowers the size of a storage binding, to try what a weaker device does. 0: the adapter's.
	MaxBindingBytes int64

	// Device is an open GPU to use, which stays the caller's to close, after the engine. nil: one is opened.
	Device *gpu.Device

	// Checkpoint is the model itself, if it is open already; its name then only appears in Info. nil: it is looked up by name.
	Checkpoint *checkpoint.Checkpoint
	// CacheDir keeps models that are downloaded. "": $GOSSAMER_MODELS, or the user's cache directory.
	CacheDir string

	// Playback makes what plays a file of tokens in place of a model, for a number of positions, of which 0 is what it has: see package
	// playback. The name that Open is given then only appears in Info, and no field that is about weights or devices may be set. nil: a
	// model is loaded.
	Playback func(tok *tokenizer.Tokenizer, context int) (engine.Backend, error)

	// Record is called with the tokens of each whole reply to a conversation; see chat.Options. nil: nothing is recorded.
	Record func(prompt, reply []int32)

	// Embedded are the models that the program carries, by the names that Open takes for them.
	Embedded map[string]fs.FS
	// Tokenizer is the vocabulary. nil: the one that the program carries; a browser's does not carry any.
	Tokenizer *tokenizer.Tokenizer

	// Progress is called often while the model is loaded; may be nil.
	Progress func(checkpoint.Progress)
	// Logger receives what was chosen, such as the adapter, and what could not be used; nil: nothing is logged.
	Logger *slog.Logger
}

// check refuses what is out of range and fills in defaults.
func (o *Options) check() error {
	switch {
	case o.Playback != nil:
		return o.checkPlayback()
	case o.Backend == "":
		o.Backend = Auto
	case o.Backend == Playback:
		return errors.New("runtime: Backend is playback, which wants Options.Playback")
	case o.Backend != Auto && o.Backend != WebGPU && o.Backend != CPU:
		return fmt.Errorf("runtime: Backend is %q, want %s, %s or %s", o.Backend, Auto, WebGPU, CPU)
	}
	switch o.KV {
	case "", F16, F32:
	default:
		return fmt.Errorf("runtime: KV is %q, want %s or %s", o.KV, F16, F32)
	}
	switch o.Matrices {
	case "", TwoTerms, OneTerm, NoMatrices:
	default:
		return fmt.Errorf("runtime: Matrices is %q, want %s, %s or %s", o.Matrices, TwoTerms, OneTerm, NoMatrices)
	}
	if o.Backend == CPU && (o.Adapter != "" || o.MaxBindingBytes > 0 || o.Device != nil) {
		return errors.New("runtime: Adapter, MaxBindingBytes and Device are for WebGPU, and Backend is cpu")
	}
	if o.MaxBindingBytes < 0 {
		return fmt.Errorf("runtime: MaxBindingBytes is %d, want 0 or more", o.MaxBindingBytes)
	}
	return o.checkCounts()
}

// checkPlayback is check where no model is loaded.
func (o *Options) checkPlayback() error {
	if o.Backend != "" && o.Backend != Playback {
		return fmt.Errorf("runtime: Backend is %q, but Options.Playback is set: leave it out", o.Backend)
	}
	if o.KV != "" || o.KVTokens != 0 || o.ResumeBytes != 0 || o.Deterministic || o.Adapter != "" || o.MaxBindingBytes != 0 || o.Device != nil || o.Checkpoint != nil {
		return errors.New("runtime: KV, KVTokens, ResumeBytes, Deterministic, Adapter, MaxBindingBytes, Device and Checkpoint are for models, and Options.Playback is set")
	}
	o.Backend = Playback
	return o.checkCounts()
}

// checkCounts checks what is counted, and fills in the logger.
func (o *Options) checkCounts() error {
	if o.Context < 0 || o.KVTokens < 0 || o.ResumeBytes < 0 {
		return fmt.Errorf("runtime: Context is %d, KVTokens %d and ResumeBytes %d, want 0 or more", o.Context, o.KVTokens, o.ResumeBytes)
	}
	if o.MaxSequences < 0 || o.MaxQueue < 0 || o.MaxQueueTokens < 0 {
		return fmt.Errorf("runtime: MaxSequences is %d, MaxQueue %d and MaxQueueTokens %d, want 0 or more", o.MaxSequences, o.MaxQueue, o.MaxQueueTokens)
	}
	if o.Rows < 0 {
		return fmt.Errorf("runtime: Rows is %d, want 0 or more", o.Rows)
	}
	if o.Rows == 0 {
		o.Rows = defaultRows
		for o.MaxSequences > 0 && o.Rows > o.MaxSequences {
			o.Rows /= 2
		}
	}
	if o.MaxSequences == 0 {
		o.MaxSequences = max(engine.DefaultMaxSequences, o.Rows)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

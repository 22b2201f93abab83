package runtime

import (
	"context"
	"errors"
	"iter"

	"gossamer/runtime/chat"
	"gossamer/runtime/checkpoint"
	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/tokenizer"
)

// Engine is an open model. It is safe for concurrent use.
type Engine struct {
	info    Info
	loaded  *loaded
	engine  *engine.Engine
	tok     *tokenizer.Tokenizer
	chat    *chat.Completer
	chatErr error // why there is no chat
}

// Info describes an open model.
type Info struct {
	Model   string         // its name, directory or URL
	Config  *gptoss.Config // do not modify it
	Backend Backend        // WebGPU, CPU or Playback
	Adapter string         // the GPU; "" on the CPU
	Reason  string         // with Auto and CPU: why not WebGPU
	Context int            // positions
	KV      Precision
	// Verified says that every byte of the weights is known to be as published or packed: false for a repository without hashes,
	// whose bytes are only known not to have changed since they were first seen.
	Verified bool
}

// Open loads a model: the name of an embedded one; a directory with a published checkpoint (Hugging Face's layout, OpenAI's original
// one, or one model's GGUF files) or a packed one; a GGUF file, or one of those that a model is split into; or, natively, the URL of a
// packed model or a repository in Hugging Face's layout, which is downloaded to the cache directory. The model can be used once
// Open returns; ctx ends the loading.
func Open(ctx context.Context, model string, o Options) (_ *Engine, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	loaded, tok, err := open(ctx, model, &o)
	if err != nil {
		return nil, err
	}
	e := &Engine{info: loaded.info, loaded: loaded, tok: tok}
	e.info.Model, e.info.Config, e.info.Context = model, loaded.backend.Config(), loaded.backend.Context()
	options := engine.Options{MaxSequences: o.MaxSequences, MaxQueue: o.MaxQueue, MaxQueueTokens: o.MaxQueueTokens, Free: loaded.close}
	if o.MaxQueue > 0 && o.MaxQueueTokens == 0 {
		options.MaxQueueTokens = 8 * e.info.Context
	}
	if loaded.again != nil {
		options.Rebuild = loaded.rebuild
	}
	if e.engine, err = engine.New(loaded.backend, options); err != nil {
		return nil, errors.Join(err, loaded.close())
	}
	// A model with another vocabulary can still be compared token by token.
	e.chat, e.chatErr = chat.New(e.engine, tok, chat.Options{Record: o.Record})
	o.Logger.InfoContext(ctx, "model open", "model", model, "backend", e.info.Backend, "adapter", e.info.Adapter,
		"context", e.info.Context, "kv", e.info.KV)
	return e, nil
}

// open loads a model and the vocabulary.
func open(ctx context.Context, model string, o *Options) (*loaded, *tokenizer.Tokenizer, error) {
	if o.Playback != nil {
		return openPlayback(o)
	}
	at, err := choosePlace(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	ck, tok, err := openFiles(ctx, model, o)
	if err != nil {
		at.close()
		return nil, nil, err
	}
	l, err := load(ctx, ck, at, o)
	if err != nil {
		return nil, nil, err
	}
	l.info.Verified = ck.Verified()
	return l, tok, nil
}

// openFiles opens the model, without its weights, and the vocabulary.
func openFiles(ctx context.Context, model string, o *Options) (ck *checkpoint.Checkpoint, tok *tokenizer.Tokenizer, err error) {
	if ck = o.Checkpoint; ck == nil {
		if ck, err = openCheckpoint(ctx, model, o); err != nil {
			return nil, nil, err
		}
	}
	for _, note := range ck.Notes() {
		o.Logger.InfoContext(ctx, "the model's files", "note", note)
	}
	tok, err = openTokenizer(o)
	return ck, tok, err
}

func openTokenizer(o *Options) (*tokenizer.Tokenizer, error) {
	if o.Tokenizer != nil {
		return o.Tokenizer, nil
	}
	return loadTokenizer()
}

// Chat answers a request; see chat.Completer.Stream. Several requests are served at once, and the beginnings of earlier
// conversations are not computed again.
func (e *Engine) Chat(ctx context.Context, r chat.Request) iter.Seq2[chat.Event, error] {
	if e.chatErr != nil {
		return func(yield func(chat.Event, error) bool) { yield(nil, e.chatErr) }
	}
	return e.chat.Stream(ctx, r)
}

// Continue continues tokens as text; see chat.Completer.Continue.
func (e *Engine) Continue(ctx context.Context, t chat.Text) iter.Seq2[chat.Event, error] {
	if e.chatErr != nil {
		return func(yield func(chat.Event, error) bool) { yield(nil, e.chatErr) }
	}
	return e.chat.Continue(ctx, t)
}

// Prepare returns the error that Chat would begin with, and names what of a request's schemas is not enforced; see chat.Completer.Prepare.
func (e *Engine) Prepare(ctx context.Context, r chat.Request) (ignored []string, err error) {
	if e.chatErr != nil {
		return nil, e.chatErr
	}
	return e.chat.Prepare(ctx, r)
}

// Constraint returns what Chat restricts the reply to a request to; see chat.Completer.Constraint.
func (e *Engine) Constraint(ctx context.Context, r chat.Request) (c engine.Constraint, ignored []string, err error) {
	if e.chatErr != nil {
		return nil, nil, e.chatErr
	}
	return e.chat.Constraint(ctx, r)
}

// Conversation begins a conversation that keeps its messages. r's other fields hold for each reply.
func (e *Engine) Conversation(r chat.Request) *chat.Conversation {
	return chat.NewConversation(e.Chat, r)
}

// Prompt returns the tokens that a request becomes. Errors are a *chat.FieldError, or ctx's.
func (e *Engine) Prompt(ctx context.Context, r chat.Request) ([]int32, error) {
	if e.chatErr != nil {
		return nil, e.chatErr
	}
	return e.chat.Prompt(ctx, r)
}

// Generate continues tokens, which need not be messages; see engine.Engine.Generate.
func (e *Engine) Generate(ctx context.Context, r engine.Request, emit func(engine.Token) bool) (engine.Result, error) {
	return e.engine.Generate(ctx, r, emit)
}

// Load is how busy the model is. It waits for nothing.
func (e *Engine) Load() engine.Load { return e.engine.Load() }

// Info describes the model.
func (e *Engine) Info() Info { return e.info }

// Backend is the model itself, for comparison with other implementations. It stays the Engine's to close, and after the loss of a device
// there is another one.
func (e *Engine) Backend() engine.Backend { return e.loaded.current() }

// Tokenizer is the vocabulary.
func (e *Engine) Tokenizer() *tokenizer.Tokenizer { return e.tok }

// Close ends replies in progress, with engine.ErrClosed, and frees the model. It may be called where the events of a reply are read.
func (e *Engine) Close() error { return e.engine.Close() }

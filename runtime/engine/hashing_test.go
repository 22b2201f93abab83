package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/sample"
)

// hashing is a backend for what a real one does not show on demand: memory that runs out, places that cannot be resumed, few rows,
// several draws a step. Its logits are a function of all tokens held, so that a wrong cache gives a wrong reply.
type hashing struct {
	vocab, context int
	limits         engine.Limits // its Pages are tokens that all sequences may hold together
	host           engine.Host
	step           func(s *engine.Step)      // called before each step; may be nil
	ready          func(s *engine.Step) bool // nil: always

	mu    sync.Mutex
	held  int
	alive int // those at rest too
	awake int
	most  int // the largest awake
}

type hashSequence struct {
	b            *hashing
	tokens       []int32
	alone        []bool // of each whether it was computed as a token of a row, if that matters
	reading      bool   // a piece is
	resumePoints []int
	ready        bool
	rests        bool
	using        sync.Mutex // locked while in use; never contended if the engine keeps its promise
}

func (b *hashing) Config() *gptoss.Config { return &gptoss.Config{Vocab: b.vocab} }
func (b *hashing) Context() int           { return b.context }

func (b *hashing) Limits() engine.Limits {
	l := b.limits
	l.Rows, l.Draws, l.Chunk = max(l.Rows, 1), max(l.Draws, 1), max(l.Chunk, 1)
	if l.Pages > 0 {
		l.PageTokens = 1
	}
	return l
}

func (b *hashing) FreePages() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.limits.Pages - b.held
}

func (b *hashing) Ready(s *engine.Step) bool { return b.ready == nil || b.ready(s) }

// Step checks what is asked for.
func (b *hashing) Step(ctx context.Context, s *engine.Step) (engine.Pending, error) {
	if b.step != nil {
		b.step(s)
	}
	l := b.Limits()
	used := map[engine.Sequence]bool{s.Prefill.Seq: true}
	for _, r := range s.Rows {
		if used[r.Seq] {
			return nil, errors.New("a sequence is in a step twice")
		}
		used[r.Seq] = true
	}
	if len(s.Rows) > l.Rows || len(s.Rows) > 0 && (s.Draws < 1 || s.Draws > l.Draws) || len(s.Prefill.Tokens) > l.Chunk {
		return nil, fmt.Errorf("a step of %d rows, %d draws and a piece of %d tokens: the limits are %+v", len(s.Rows), s.Draws, len(s.Prefill.Tokens), l)
	}
	if p, ok := s.Prefill.Seq.(*hashSequence); ok {
		p.reading = true
		defer func() { p.reading = false }()
	}
	return b.host.Step(ctx, b.vocab, s)
}

func (b *hashing) Close() error {
	if b.alive != 0 || b.held != 0 {
		return fmt.Errorf("%d sequences are still alive and hold %d tokens", b.alive, b.held)
	}
	return nil
}

func (b *hashing) NewSequence() (engine.Sequence, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &hashSequence{b: b, rests: true}
	if err := s.wake(); err != nil {
		return nil, err
	}
	b.alive++
	return s, nil
}

// wake counts a sequence among those that take part in steps. b.mu is held.
func (s *hashSequence) wake() error {
	b := s.b
	if !s.rests {
		return nil
	}
	if b.limits.Sequences > 0 && b.awake == b.limits.Sequences {
		return errors.New("too many sequences")
	}
	b.awake++
	b.most, s.rests = max(b.most, b.awake), false
	return nil
}

// Rest keeps nothing but the tokens, and the present length among the resume points.
func (s *hashSequence) Rest() error {
	err := s.MarkResume()
	defer s.lock()()
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if !s.rests {
		s.b.awake--
	}
	s.rests, s.ready = true, false
	return err
}

// reserve takes memory for n tokens, which may be negative.
func (b *hashing) reserve(n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limits.Pages > 0 && n > 0 && b.held+n > b.limits.Pages {
		return fmt.Errorf("memory: %w", engine.ErrContextFull)
	}
	b.held += n
	return nil
}

func (s *hashSequence) lock() func() {
	if !s.using.TryLock() {
		panic("a sequence is used by two calls at once")
	}
	return s.using.Unlock
}

func (s *hashSequence) Len() int    { return len(s.tokens) }
func (s *hashSequence) Ready() bool { return s.ready }

func (s *hashSequence) Extend(ctx context.Context, tokens []int32) error {
	defer s.lock()()
	for _, id := range tokens {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.rests {
			return errors.New("the sequence rests")
		}
		s.ready = false
		if err := s.b.reserve(1); err != nil {
			return err
		}
		s.tokens, s.alone = append(s.tokens, id), append(s.alone, s.b.limits.Deterministic && !s.reading)
		s.ready = true
	}
	return nil
}

// Truncate resumes at resume points, and takes back the last 16 tokens.
func (s *hashSequence) Truncate(_ context.Context, n int) (int, error) {
	defer s.lock()()
	s.b.mu.Lock()
	rested, err := s.rests, s.wake()
	s.b.mu.Unlock()
	if n >= len(s.tokens) && !rested || err != nil {
		return len(s.tokens), err
	}
	n = min(n, len(s.tokens))
	kept := 0
	if n >= len(s.tokens)-16 && !rested {
		kept = n
	}
	for _, c := range s.resumePoints {
		if c <= n {
			kept = max(kept, c)
		}
	}
	s.b.reserve(kept - len(s.tokens))
	s.tokens, s.alone, s.ready = s.tokens[:kept], s.alone[:kept], false
	s.resumePoints = slices.DeleteFunc(s.resumePoints, func(c int) bool { return c > kept })
	return kept, nil
}

func (s *hashSequence) MarkResume() error {
	defer s.lock()()
	s.resumePoints = append(s.resumePoints, len(s.tokens))
	return nil
}

func (s *hashSequence) Logits(_ context.Context, dst []float32) error {
	defer s.lock()()
	if !s.ready {
		return errors.New("no logits")
	}
	hashLogits(dst, s.tokens, s.alone)
	return nil
}

func (s *hashSequence) Close() error {
	defer s.lock()()
	s.b.reserve(-len(s.tokens))
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.alive--
	if !s.rests {
		s.b.awake--
	}
	return nil
}

func (s *hashSequence) Fork(n int) (engine.Sequence, error) {
	made, err := s.b.NewSequence()
	if err != nil {
		return nil, err
	}
	f := made.(*hashSequence)
	for _, c := range s.resumePoints {
		if c <= n && c > len(f.tokens) && s.b.reserve(c-len(f.tokens)) == nil {
			f.tokens, f.alone = slices.Clone(s.tokens[:c]), slices.Clone(s.alone[:c])
			f.resumePoints = append(f.resumePoints, c)
		}
	}
	return f, nil
}

func hashLogits(dst []float32, tokens []int32, alone []bool) {
	h := uint64(len(tokens))
	for i, id := range tokens {
		h = h*0x9e3779b97f4a7c15 + uint64(id) + 1
		if alone[i] {
			h += 1 << 40
		}
		h ^= h >> 29
	}
	random := rand.New(rand.NewPCG(h, 0))
	for id := range dst {
		dst[id] = random.Float32()*4 - 2
	}
}

// inRows is hashSequence.alone of n tokens, as it should be behind a prompt.
func inRows(n, prompt int, matters bool) []bool {
	alone := make([]bool, n)
	for i := range alone {
		alone[i] = matters && i >= prompt-1
	}
	return alone
}

// continuation computes a reply from nothing but the request.
func continuation(vocab, context int, r engine.Request) []int32 {
	return reply(vocab, context, r, false)
}

// reply is continuation, also where it matters what was computed as a token of a row.
func reply(vocab, context int, r engine.Request, deterministic bool) []int32 {
	s, err := sample.New(r.Sampling, vocab, r.Tokens)
	if err != nil {
		panic(err)
	}
	tokens := slices.Clone(r.Tokens)
	row := make([]float32, vocab)
	for len(tokens) < context && len(tokens)-len(r.Tokens) < r.MaxTokens {
		hashLogits(row, tokens, inRows(len(tokens), len(r.Tokens), deterministic))
		id, err := s.Choose(row, len(tokens), nil)
		if err != nil || slices.Contains(r.Stop, id) {
			break
		}
		s.Accept(id)
		tokens = append(tokens, id)
	}
	return tokens[len(r.Tokens):]
}

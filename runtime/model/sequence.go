package model

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
	"gossamer/runtime/kv"
)

// Sequence is one text in a model's key/value cache. It implements engine.Sequence, engine.Decoder and engine.RowReader.
type Sequence struct {
	m      *Model
	kv     *kv.Sequence
	tokens []int32     // [Len]
	hidden *gpu.Buffer // [Hidden] f32: the residual stream after the last token while the sequence is not seated
	ready  bool        // logits of the last token are available
	closed bool
}

var (
	_ engine.Sequence  = (*Sequence)(nil)
	_ engine.Decoder   = (*Sequence)(nil)
	_ engine.RowReader = (*Sequence)(nil)
	_ engine.Forker    = (*Sequence)(nil)
)

func (m *Model) newSequence(pages *kv.Sequence, tokens []int32) (*Sequence, error) {
	if len(m.live) >= m.sequences {
		pages.Close()
		return nil, fmt.Errorf("model: %d sequences are alive, the limit: close one first", len(m.live))
	}
	hidden, err := m.dev.NewBuffer("hidden state", int64(m.cfg.Hidden)*4, gpu.Storage)
	if err != nil {
		pages.Close()
		return nil, err
	}
	s := &Sequence{m: m, kv: pages, tokens: tokens, hidden: hidden}
	m.live[s] = struct{}{}
	return s, nil
}

// Len is the number of tokens held.
func (s *Sequence) Len() int {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.kv.Len()
}

// Close gives the sequence's pages back.
func (s *Sequence) Close() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.closeLocked()
	return nil
}

func (s *Sequence) closeLocked() {
	if s.closed {
		return
	}
	s.closed, s.ready = true, false
	s.kv.Close()
	s.hidden.Release()
	delete(s.m.live, s)
	for r, o := range s.m.seated {
		if o == s {
			s.m.seated[r] = nil
		}
	}
}

func (s *Sequence) usable() error {
	if s.closed {
		return errors.New("model: the sequence is closed")
	}
	return nil
}

// Checkpoint marks the present length as a place where Truncate resumes at no cost.
func (s *Sequence) Checkpoint() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	s.kv.Checkpoint()
	return nil
}

// Fork returns a sequence that shares the first tokens of s, at most n of them, without computing anything.
func (s *Sequence) Fork(n int) (engine.Sequence, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, fmt.Errorf("model: fork of %d tokens", n)
	}
	f := s.kv.Fork(n)
	return s.m.newSequence(f, slices.Clone(s.tokens[:f.Len()]))
}

// Truncate keeps at most the first n tokens. It resumes where the sliding layers' pages still exist; where recomputing from
// there costs more than rebuilding them at n, it rebuilds: a sliding layer's keys at a position depend on window-1 earlier
// positions of the layer below, so a pass over the last (window-1) x sliding layers tokens makes them exact, while the full
// layers' pages stand.
func (s *Sequence) Truncate(ctx context.Context, n int) (int, error) {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.usable(); err != nil {
		return 0, err
	}
	if n < 0 {
		return 0, fmt.Errorf("model: truncate to %d tokens", n)
	}
	if n >= s.kv.Len() {
		return s.kv.Len(), nil
	}
	at := s.kv.Resume(n)
	start := max(0, n-(m.cfg.Window-1)*m.cfg.SlidingLayers())
	if at >= start {
		s.unready()
		s.kv.Truncate(at)
		s.tokens = s.tokens[:at]
		return at, nil
	}
	if err := ctx.Err(); err != nil {
		return s.kv.Len(), err
	}
	s.unready()
	tokens := s.tokens[:n]
	s.kv.Rewind(start, n)
	s.tokens = tokens[:start]
	if _, err := s.prefill(ctx, tokens[start:], kernel.StepKeepFull); err != nil {
		// Only where the pass began at 0 is what it did exact; else the last checkpoint is left.
		at = s.kv.Resume(s.kv.Len())
		s.kv.Truncate(at)
		s.tokens = s.tokens[:at]
		return at, err
	}
	return n, nil
}

// unready forgets the logits.
func (s *Sequence) unready() {
	s.ready = false
	for r, o := range s.m.seated {
		if o == s {
			s.m.seated[r] = nil
		}
	}
}

// Extend appends tokens in chunks, or a single one as decoding does, which costs less.
func (s *Sequence) Extend(ctx context.Context, tokens []int32) error {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.admit(tokens); err != nil || len(tokens) == 0 {
		return err
	}
	s.unready()
	if len(tokens) == 1 {
		return s.step(ctx, tokens[0]) // there is little to wait for, and Logits does
	}
	last, err := s.prefill(ctx, tokens, 0)
	if err != nil {
		return err
	}
	if err := m.head(ctx, last); err != nil {
		return err
	}
	m.seat0(s)
	return m.dev.Wait(ctx)
}

// ExtendRows is Extend that shows the logits after tokens[i] for each i of at.
func (s *Sequence) ExtendRows(ctx context.Context, tokens []int32, at []int, row func(int, []float32) error) error {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.admit(tokens); err != nil || len(tokens) == 0 {
		return err
	}
	if !slices.IsSorted(at) || len(at) > 0 && (at[0] < 0 || at[len(at)-1] >= len(tokens)) {
		return fmt.Errorf("model: rows %v are not ascending indices of %d tokens", at, len(tokens))
	}
	s.unready()
	logits := make([]float32, m.cfg.Vocab)
	for done := 0; done < len(tokens); {
		n := min(m.chunk, len(tokens)-done)
		if err := s.prefillChunk(ctx, tokens[done:done+n], 0); err != nil {
			return err
		}
		for ; len(at) > 0 && at[0] < done+n; at = at[1:] {
			if err := m.head(ctx, at[0]-done); err != nil {
				return err
			}
			if err := m.readLogits(ctx, 0, logits); err != nil {
				return err
			}
			if err := row(at[0], logits); err != nil {
				return err
			}
		}
		if done += n; done < len(tokens) {
			continue
		}
		if err := m.head(ctx, n-1); err != nil {
			return err
		}
		m.seat0(s)
	}
	return nil
}

// admit checks tokens before anything is changed.
func (s *Sequence) admit(tokens []int32) error {
	if err := s.usable(); err != nil {
		return err
	}
	c := s.m.cfg
	for i, t := range tokens {
		if t < 0 || int(t) >= c.Vocab {
			return fmt.Errorf("model: token %d is %d, outside the vocabulary of %d", i, t, c.Vocab)
		}
	}
	if n := s.kv.Len() + len(tokens); n > s.m.context {
		return fmt.Errorf("model: %w: %d tokens held and %d more exceed its %d positions", engine.ErrContextFull, s.kv.Len(), len(tokens), s.m.context)
	}
	return nil
}

// prefill appends tokens in chunks and returns the row of the prefill buffer where the last one's residual stream is.
func (s *Sequence) prefill(ctx context.Context, tokens []int32, flags uint32) (last int, err error) {
	for chunk := range slices.Chunk(tokens, s.m.chunk) {
		if err := s.prefillChunk(ctx, chunk, flags); err != nil {
			return 0, err
		}
		last = len(chunk) - 1
	}
	return last, nil
}

// step appends one token with the decode program.
func (s *Sequence) step(ctx context.Context, token int32) error {
	m := s.m
	if err := s.reserve(1, true); err != nil {
		return err
	}
	p, err := m.decodeProgram(1, s.kv.Len()+1)
	if err != nil {
		return err
	}
	if err := m.unseat(ctx); err != nil {
		return err
	}
	if err := m.writeGiven(s, token); err != nil {
		return err
	}
	if err := m.dev.Submit(ctx, p); err != nil {
		return err
	}
	s.kv.Advance(1)
	s.tokens = append(s.tokens, token)
	m.seat0(s)
	return nil
}

// prefillChunk runs the layers over tokens; their residual streams end in the rows of the prefill buffer.
func (s *Sequence) prefillChunk(ctx context.Context, tokens []int32, flags uint32) error {
	m := s.m
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.placeChunk(tokens, flags); err != nil {
		return err
	}
	p, err := m.prefillProgram(m.prefillClass(len(tokens)))
	if err != nil {
		return err
	}
	if err := m.dev.Submit(ctx, p); err != nil {
		return err
	}
	s.kv.Advance(len(tokens))
	s.tokens = append(s.tokens, tokens...)
	return nil
}

// placeChunk finds pages for a chunk and tells the prefill program of it.
func (s *Sequence) placeChunk(tokens []int32, flags uint32) error {
	m := s.m
	if err := s.reserve(len(tokens), flags&kernel.StepKeepFull == 0); err != nil {
		return err
	}
	start := s.kv.Len()
	rows := m.stepBytes[:0]
	for i, t := range tokens {
		rows = kernel.StepRow{Token: uint32(t), Position: uint32(start + i), SlidingTable: uint32(m.tableEntries()), Flags: flags}.Append(rows)
	}
	m.stepBytes = rows
	sc := &m.scratch.prefill
	if err := m.dev.Write(sc.step, 0, rows); err != nil {
		return err
	}
	if err := m.writeTables(sc.step, m.chunk, 0, s); err != nil {
		return err
	}
	return m.writeChunk(len(tokens))
}

// reserve makes room for n more positions, of sliding layers alone unless full is set.
func (s *Sequence) reserve(n int, full bool) error {
	reserve := s.kv.ReserveSliding
	if full {
		reserve = s.kv.Reserve
	}
	copies, err := reserve(n)
	if errors.Is(err, kv.ErrFull) {
		return fmt.Errorf("model: %w: %w", engine.ErrContextFull, err)
	}
	if err != nil {
		return err
	}
	return s.m.copyPages(copies)
}

// Logits writes the row that follows the last token to dst.
func (s *Sequence) Logits(ctx context.Context, dst []float32) error {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if len(dst) != m.cfg.Vocab {
		return fmt.Errorf("model: logits for %d ids, the vocabulary has %d", len(dst), m.cfg.Vocab)
	}
	if !s.ready {
		return errNoLogits
	}
	if err := m.seat(ctx, []*Sequence{s}); err != nil {
		return err
	}
	return m.readLogits(ctx, 0, dst)
}

var errNoLogits = errors.New("model: no logits are available: extend the sequence first")

func (m *Model) readLogits(ctx context.Context, row int, dst []float32) error {
	buf := make([]byte, len(dst)*4)
	if err := m.dev.Read(ctx, m.scratch.decode.logits, int64(row)*int64(len(buf)), buf); err != nil {
		return err
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(buf[i*4:]))
	}
	return nil
}

// Decode samples up to n tokens on the device.
func (s *Sequence) Decode(ctx context.Context, n int, d engine.DeviceSampling, emit func(int32) bool) error {
	return s.m.DecodeRows(ctx, []*Sequence{s}, n, []engine.DeviceSampling{d}, func(_ int, token int32) bool { return emit(token) })
}

// DecodeRows samples up to n tokens of each sequence, all in one program a token. It returns once every sequence has n more, or
// after emit has returned false for a row; the other rows may then have up to a run of tokens more. Each sequence holds exactly
// the tokens that were emitted for it. emit may use the model, but not these sequences.
func (m *Model) DecodeRows(ctx context.Context, seqs []*Sequence, n int, d []engine.DeviceSampling, emit func(row int, token int32) bool) error {
	if err := m.checkRows(seqs, d); err != nil {
		return err
	}
	for run := 1; n > 0; run = min(2*run, maxRun) {
		chosen, err := m.decodeRun(ctx, seqs, min(run, n), d)
		if err != nil {
			return err
		}
		// The lock is not held while the caller looks at the tokens: it may take its time, or use the model itself.
		took := make([]int, len(seqs))
		stopped := false
		for r := range seqs {
			for _, t := range chosen[r] {
				took[r]++
				if !emit(r, t) {
					stopped = true
					break
				}
			}
		}
		m.mu.Lock()
		for r, s := range seqs {
			s.take(chosen[r][:took[r]], len(chosen[r]))
		}
		m.mu.Unlock()
		if stopped {
			return nil
		}
		n -= len(chosen[0])
	}
	return nil
}

// checkRows refuses what DecodeRows can't do, before anything is changed.
func (m *Model) checkRows(seqs []*Sequence, d []engine.DeviceSampling) error {
	if len(seqs) == 0 || len(seqs) > m.rows || len(seqs) != len(d) {
		return fmt.Errorf("model: decode of %d sequences with %d settings, want 1 to %d of both", len(seqs), len(d), m.rows)
	}
	words := (m.cfg.Vocab + 31) / 32
	for r, s := range seqs {
		switch {
		case s.m != m:
			return fmt.Errorf("model: the sequence of row %d belongs to another model", r)
		case slices.Contains(seqs[:r], s):
			return fmt.Errorf("model: the sequence of row %d has a row already", r)
		case !(d[r].Temperature >= 0) || math.IsInf(float64(d[r].Temperature), 0):
			return fmt.Errorf("model: a temperature of %v, want a number from 0 on", d[r].Temperature)
		case d[r].Allowed != nil && len(d[r].Allowed) != words:
			return fmt.Errorf("model: a mask of %d words for %d ids, want %d", len(d[r].Allowed), m.cfg.Vocab, words)
		}
	}
	return nil
}

// take appends the tokens of a run that were wanted; of the device's state after ran tokens nothing else remains.
func (s *Sequence) take(tokens []int32, ran int) {
	if s.closed {
		return
	}
	s.kv.Advance(len(tokens))
	s.tokens = append(s.tokens, tokens...)
	if len(tokens) < ran {
		s.unready()
	}
}

// maxRun is the number of tokens that are chosen between two readbacks: few enough that a stop or a cancellation wastes little.
const maxRun = 8

// decodeRun samples up to k tokens a row and reads them back: [rows][tokens]. The sequences don't hold them yet.
func (m *Model) decodeRun(ctx context.Context, seqs []*Sequence, k int, d []engine.DeviceSampling) (chosen [][]int32, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	longest := 0
	for _, s := range seqs {
		if err := s.usable(); err != nil {
			return nil, err
		}
		if !s.ready {
			return nil, errNoLogits
		}
		room := m.context - s.kv.Len()
		if room == 0 {
			return nil, fmt.Errorf("model: %w: all its %d positions are taken", engine.ErrContextFull, m.context)
		}
		k = min(k, room)
		longest = max(longest, s.kv.Len())
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if k, err = reserveRun(seqs, k); err != nil {
		return nil, err
	}
	p, err := m.decodeProgram(len(seqs), longest+k)
	if err != nil {
		return nil, err
	}
	if err := m.seat(ctx, seqs); err != nil {
		return nil, err
	}
	if err := m.writeAllowed(d); err != nil {
		return nil, err
	}
	if err := m.writeDecodeStep(seqs, d); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil { // how far the device came is not known
			for _, s := range seqs {
				s.unready()
			}
		}
	}()
	for range k {
		if err := m.dev.Submit(ctx, p); err != nil {
			return nil, err
		}
	}
	for r, s := range seqs {
		tokens, err := m.readRing(ctx, r, s.kv.Len(), k)
		if err != nil {
			return nil, err
		}
		if i := slices.Index(tokens, noToken); i >= 0 {
			what, why := "logit", "the weights or the device are faulty"
			if d[r].Allowed != nil {
				what, why = "allowed logit", "the mask allows nothing, or the weights or the device are faulty"
			}
			return nil, fmt.Errorf("model: no %s after position %d is a finite number: %s", what, s.kv.Len()+i-1, why)
		}
		chosen = append(chosen, tokens)
	}
	return chosen, nil
}

// reserveRun makes room for k more positions of each sequence, or for fewer where pages are short; it returns for how many.
func reserveRun(seqs []*Sequence, k int) (int, error) {
	for _, s := range seqs {
		err := s.reserve(k, true)
		for k > 1 && errors.Is(err, engine.ErrContextFull) {
			k /= 2
			err = s.reserve(k, true)
		}
		if err != nil {
			return 0, err
		}
	}
	return k, nil
}

// readRing reads the ids that row r chose for positions first..first+k-1.
func (m *Model) readRing(ctx context.Context, r, first, k int) ([]int32, error) {
	tokens := make([]int32, 0, k)
	for len(tokens) < k {
		at := (first + len(tokens)) % ringTokens
		n := min(k-len(tokens), ringTokens-at)
		buf := make([]byte, n*4)
		if err := m.dev.Read(ctx, m.scratch.decode.ring, int64(r*ringTokens+at)*4, buf); err != nil {
			return nil, err
		}
		for i := range n {
			tokens = append(tokens, int32(binary.LittleEndian.Uint32(buf[i*4:])))
		}
	}
	return tokens, nil
}

// noToken is what the sampler writes where it finds no finite logit that may be chosen: kernel.NoToken as an id.
const noToken = int32(-1)

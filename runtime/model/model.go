// Package model runs gpt-oss on a WebGPU device: it plans and makes the buffers, places the weights, records the programs of prefill
// and decode, and keeps the key/value arenas. model.Model is the engine's Backend; ref.Model is the same in plain Go.
//
// From below: options and sizes, buffers, plan; weights, state, pages, step (what is written to the device); programs, prefill, decode
// (what is recorded); batch (the rows in flight); model; sequence.
package model

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
	"gossamer/runtime/kv"
	"gossamer/runtime/sample"
)

// Model is a gpt-oss model on a device.
type Model struct {
	*sizes
	dev       *gpu.Device
	footprint Footprint
	wrong     error // see MatricesRefused

	// mu guards all that follows: the device runs one program at a time and the scratch buffers belong to it.
	mu       sync.Mutex
	closed   bool
	alive    map[*state]struct{}
	buffers  *buffers
	made     []*gpu.Buffer // all of them, for Close
	pages    *pages
	steps    *steps
	programs *programs
	preparer *preparer
	batch    *batch
}

var (
	errClosed   = errors.New("model: the model is closed")
	errNoLogits = errors.New("model: no logits are available: extend the sequence first")
)

// Load places the weights of a checkpoint on dev and prepares its programs. The device stays the caller's to close, after the
// model.
func Load(ctx context.Context, dev *gpu.Device, ck *checkpoint.Checkpoint, o Options) (*Model, error) {
	var wrong error
	if o.usesMatrices(dev.Caps()) {
		if wrong = o.tryMatrices(ctx, dev); wrong != nil {
			o.Matrices = NoMatrices
		}
	}
	plan, err := NewPlan(ck.Config(), dev.Caps(), o)
	if err != nil {
		return nil, err
	}
	m, err := newModel(dev, plan)
	if err != nil {
		return nil, err
	}
	m.wrong = wrong
	if err := m.load(ctx, ck, o); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// tryMatrices tries the products that a model of these options would compute by matrices.
func (o *Options) tryMatrices(ctx context.Context, dev *gpu.Device) error {
	if err := kernel.TryMatrices(ctx, dev, o.Matrices == OneTerm); err != nil || o.Matrices != OneTerm || o.Rows < matrixRows {
		return err
	}
	return kernel.TryMatrices(ctx, dev, false) // of batches
}

// MatricesRefused says why nothing is computed by the matrices that the device's subgroups multiply, if they came out wrong in a test.
func (m *Model) MatricesRefused() error { return m.wrong }

// newModel allocates what the plan says and compiles the kernels.
func newModel(dev *gpu.Device, plan Plan) (*Model, error) {
	made, plan, err := allocate(plan, dev.NewBuffer)
	if err != nil {
		return nil, err
	}
	for i, d := range plan.list {
		*d.dst = made[i]
	}
	s, b := plan.sizes, plan.buffers
	m := &Model{sizes: s, dev: dev, footprint: plan.Footprint(), alive: map[*state]struct{}{}, buffers: b, made: made}
	m.pages = &pages{sizes: s, dev: dev, buf: b, cache: kv.New(s.cfg.Window, s.fullPages, s.slidingPages)}
	m.steps = &steps{sizes: s, dev: dev}
	if m.programs, err = newPrograms(dev, s, b); err != nil {
		m.freeBuffers()
		return nil, err
	}
	m.preparer = newPreparer(m.programs, &m.mu)
	m.batch = &batch{
		sizes: s, dev: dev, buf: b, programs: m.programs, preparer: m.preparer, pages: m.pages, steps: m.steps,
		seats: make([]*state, s.rows), samplers: make([]*sample.Sampler, s.rows), masks: newMasks(dev, s.masks()),
	}
	return m, nil
}

func (m *Model) load(ctx context.Context, ck *checkpoint.Checkpoint, o Options) error {
	if o.WarmUp {
		if _, err := m.programs.prefillProgram(m.prefillClass(firstPrompt)); err != nil {
			return err
		}
	}
	if err := ck.LoadPlaced(ctx, sink{m.sizes, m.buffers}, o.Progress); err != nil {
		return err
	}
	// Warm up: the programs that every reply needs are recorded and compiled by the driver before the first token is asked for.
	if _, err := m.programs.decodePrograms(1, 0, plainSampling); err != nil {
		return err
	}
	return m.dev.Wait(ctx)
}

// firstPrompt is how many tokens the first prompt of a conversation has at most, if it is short.
const firstPrompt = 128

// WarmUp records the programs that prompts need, for which the device's compiler takes a while, so that the first prompt does not
// wait for it. In a browser compilers work beside everything else: WarmUp returns before they are done, and a prompt that comes
// earlier only waits for its own program. It may be called at any time, and ctx ends it between two programs.
func (m *Model) WarmUp(ctx context.Context) error {
	for _, n := range []int{firstPrompt, 32, 16, m.chunk} { // after the first prompt comes what the user adds
		if err := m.warmUp(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) warmUp(ctx context.Context, n int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.closed {
		return errClosed
	}
	_, err := m.programs.prefillProgram(m.prefillClass(n))
	return err
}

// Config returns the model's hyperparameters.
func (m *Model) Config() *gptoss.Config { return m.cfg }

// Context is the number of positions that a sequence can hold.
func (m *Model) Context() int { return m.context }

// Limits are what a step may ask for.
func (m *Model) Limits() engine.Limits {
	return engine.Limits{
		Rows: m.rows, Draws: maxRun, Chunk: max(m.chunk, kv.PageTokens), Sequences: m.sequences, PageTokens: kv.PageTokens, Pages: m.fullPages,
		Deterministic: m.deterministic,
	}
}

// FreePages is the number of pages of the full layers that no sequence holds.
func (m *Model) FreePages() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pages.cache.Free()
}

// Step queues the draws of a step, then its piece of a prompt.
func (m *Model) Step(ctx context.Context, s *engine.Step) (engine.Pending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows, err := m.rowsOf(s)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i := range rows {
		if err := m.settle(ctx, rows[i].seq, []int32{rows[i].Given}, true); err != nil {
			return nil, err
		}
	}
	p := &pending{m: m}
	if len(rows) > 0 {
		if p.run, err = m.batch.start(ctx, rows, s.Draws); err != nil {
			return nil, err
		}
	}
	if s.Prefill.Seq == nil {
		return p, nil
	}
	seq := s.Prefill.Seq.(*sequence)
	if p.prefill = seq.admit(s.Prefill.Tokens); p.prefill == nil {
		m.batch.forget(seq.state)
		p.prefill = m.prefill(ctx, seq.state, s.Prefill.Tokens)
	}
	return p, nil
}

// rowsOf checks the rows of a step before anything is changed.
func (m *Model) rowsOf(s *engine.Step) ([]decodeRow, error) {
	if len(s.Rows) > m.rows || len(s.Rows) > 0 && (s.Draws < 1 || s.Draws > maxRun) {
		return nil, fmt.Errorf("model: a step of %d rows and %d draws, want at most %d rows and 1 to %d draws", len(s.Rows), s.Draws, m.rows, maxRun)
	}
	rows := make([]decodeRow, len(s.Rows))
	for i := range s.Rows {
		r := &s.Rows[i]
		seq := r.Seq.(*sequence)
		rows[i] = decodeRow{Row: r, seq: seq.state}
		switch err := seq.awake(); {
		case seq.m != m:
			return nil, fmt.Errorf("model: the sequence of row %d belongs to another model", i)
		case err != nil:
			return nil, err
		case slices.ContainsFunc(rows[:i], func(o decodeRow) bool { return o.seq == seq.state }) || s.Prefill.Seq == r.Seq:
			return nil, fmt.Errorf("model: the sequence of row %d takes part twice", i)
		case r.Given == engine.Draw && !seq.ready():
			return nil, errNoLogits
		case r.Given != engine.Draw && (r.Given < 0 || int(r.Given) >= m.cfg.Vocab):
			return nil, fmt.Errorf("model: token %d is outside the vocabulary of %d", r.Given, m.cfg.Vocab)
		case r.Allowed != nil && len(r.Allowed) != m.maskWords():
			return nil, fmt.Errorf("model: a mask of %d words for %d ids, want %d", len(r.Allowed), m.cfg.Vocab, m.maskWords())
		}
	}
	return rows, nil
}

// pending is a step that was queued.
type pending struct {
	m       *Model
	run     *run  // nil without rows
	prefill error // of the piece
}

// Wait waits for the draws, or for the piece where there are none.
func (p *pending) Wait(ctx context.Context) (*engine.Outcome, error) {
	m := p.m
	if p.run == nil {
		if p.prefill == nil {
			p.prefill = m.dev.Wait(ctx)
		}
		return &engine.Outcome{Prefill: p.prefill}, nil
	}
	d, err := p.run.wait(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.batch.forgetAll(p.run)
		return nil, err
	}
	return &engine.Outcome{Rows: m.batch.take(p.run, d), Prefill: p.prefill}, nil
}

// Footprint is what the model takes of the device's memory, but for a few bytes that each recorded dispatch has as parameters.
func (m *Model) Footprint() Footprint { return m.footprint }

// Device is where the model runs.
func (m *Model) Device() *gpu.Device { return m.dev }

// closeWait is how long Close waits for the device at most.
const closeWait = 10 * time.Second

// Close frees the model's device memory and closes its sequences. What the device still computes, which nobody waits for any more, is over
// then: a process that ends meanwhile may crash in a driver.
func (m *Model) Close() error {
	m.preparer.stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	_ = m.dev.Wait(ctx) // a device that is lost, or gone, computes nothing
	for seq := range m.alive {
		m.closeState(seq)
	}
	m.programs.release()
	m.freeBuffers()
	return nil
}

func (m *Model) freeBuffers() {
	for _, b := range m.made {
		b.Release()
	}
}

// newState returns the state of a sequence that holds pages and tokens.
func (m *Model) newState(pages *kv.Sequence, tokens []int32) (*state, error) {
	seq := &state{kv: pages, tokens: tokens, seat: noSeat, rests: true}
	if err := m.wake(seq); err != nil {
		pages.Close()
		return nil, err
	}
	m.alive[seq] = struct{}{}
	return seq, nil
}

// wake lets a sequence take part in steps, for which there is room for so many.
func (m *Model) wake(seq *state) error {
	awake := 0
	for o := range m.alive {
		if o != seq && !o.rests {
			awake++
		}
	}
	if awake >= m.sequences {
		return fmt.Errorf("model: %d sequences are in use, the limit: close one or let it rest first", m.sequences)
	}
	seq.rests = false
	return nil
}

// closeState gives back the pages of seq, and its place in the batch.
func (m *Model) closeState(seq *state) {
	if seq.closed {
		return
	}
	seq.closed = true
	m.batch.forget(seq)
	seq.kv.Close()
	delete(m.alive, seq)
}

// settle computes what a sequence holds anew where a pass over it is not over and other tokens come than those that it is made of, or any as
// a row. Whoever appends what Truncate took away never needs it.
func (m *Model) settle(ctx context.Context, seq *state, next []int32, row bool) error {
	if len(seq.ahead) == 0 || seq.goesOn(next, row) {
		return nil
	}
	tokens := slices.Clone(seq.tokens)
	at := seq.kv.Resume(len(tokens))
	seq.kv.Truncate(at)
	seq.tokens, seq.ahead = seq.tokens[:at], nil
	return m.prefill(ctx, seq, tokens[at:])
}

// prefill appends tokens to seq in chunks; in deterministic mode they end at multiples of a chunk, wherever seq ends now.
func (m *Model) prefill(ctx context.Context, seq *state, tokens []int32) error {
	if err := m.settle(ctx, seq, tokens, false); err != nil {
		return err
	}
	for len(tokens) > 0 {
		n := m.chunk
		if m.deterministic {
			n -= seq.kv.Len() % m.chunk
		}
		if len(seq.ahead) > 0 { // the tokens behind them write full layers too
			n = min(n, len(seq.ahead))
		}
		n = min(n, len(tokens))
		if err := m.prefillChunk(ctx, seq, tokens[:n]); err != nil {
			return err
		}
		tokens = tokens[n:]
	}
	return nil
}

// prefillChunk runs the layers over tokens; their residual streams end in the rows of the prefill buffer.
func (m *Model) prefillChunk(ctx context.Context, seq *state, tokens []int32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.placeChunk(seq, tokens); err != nil {
		return err
	}
	p, err := m.programs.prefillProgram(m.preparer.chunkClass(len(tokens)))
	if err != nil {
		return err
	}
	if err := m.dev.Submit(ctx, p); err != nil {
		return err
	}
	seq.append(tokens...)
	return nil
}

// placeChunk finds pages for a chunk and tells the prefill program of it.
func (m *Model) placeChunk(seq *state, tokens []int32) error {
	flags := uint32(0)
	if len(seq.ahead) > 0 {
		flags = kernel.StepKeepFull
	}
	if err := m.pages.reserve(seq, len(tokens), flags == 0); err != nil {
		return err
	}
	return m.steps.chunk(&m.buffers.prefill, seq, tokens, flags)
}

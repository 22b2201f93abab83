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

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kernel"
	"gossamer/runtime/kv"
)

// Model is a gpt-oss model on a device.
type Model struct {
	*sizes
	dev       *gpu.Device
	footprint Footprint

	// mu guards all that follows: the device runs one program at a time and the scratch buffers belong to it.
	mu       sync.Mutex
	closed   bool
	states   []*state // [sequences] by slot: those that are alive, nil where there is none
	buffers  *buffers
	made     []*gpu.Buffer // all of them, for Close
	pages    *pages
	steps    *steps
	programs *programs
	batch    *batch
}

var (
	errClosed   = errors.New("model: the model is closed")
	errNoLogits = errors.New("model: no logits are available: extend the sequence first")
)

// Load places the weights of a checkpoint on dev and prepares its programs. The device stays the caller's to close, after the
// model.
func Load(ctx context.Context, dev *gpu.Device, ck *checkpoint.Checkpoint, o Options) (*Model, error) {
	plan, err := NewPlan(ck.Config(), dev.Caps(), o)
	if err != nil {
		return nil, err
	}
	m, err := newModel(dev, plan)
	if err != nil {
		return nil, err
	}
	if err := m.load(ctx, ck, o); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

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
	m := &Model{sizes: s, dev: dev, footprint: plan.Footprint(), states: make([]*state, s.sequences), buffers: b, made: made}
	m.pages = &pages{sizes: s, dev: dev, buf: b, cache: kv.New(s.cfg.Window, s.fullPages, s.slidingPages)}
	m.steps = &steps{sizes: s, dev: dev}
	if m.programs, err = newPrograms(dev, s, b); err != nil {
		m.freeBuffers()
		return nil, err
	}
	m.batch = &batch{
		sizes: s, dev: dev, buf: b, programs: m.programs, pages: m.pages, steps: m.steps, bound: make([]*state, s.rows), allowed: make([][]uint32, s.rows),
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
	if _, err := m.programs.decodeProgram(1, 0); err != nil {
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

// Footprint is what the model takes of the device's memory, but for a few bytes that each recorded dispatch has as parameters.
func (m *Model) Footprint() Footprint { return m.footprint }

// Device is where the model runs.
func (m *Model) Device() *gpu.Device { return m.dev }

// Close frees the model's device memory and closes its sequences.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	for _, seq := range m.states {
		if seq != nil {
			m.closeState(seq)
		}
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
	slot := slices.Index(m.states, nil)
	if slot < 0 {
		pages.Close()
		return nil, fmt.Errorf("model: %d sequences are alive, the limit: close one first", len(m.states))
	}
	seq := &state{kv: pages, tokens: tokens, slot: slot}
	m.states[slot] = seq
	return seq, nil
}

// closeState gives back the pages of seq, and its place in the batch.
func (m *Model) closeState(seq *state) {
	if seq.closed {
		return
	}
	seq.closed = true
	m.batch.forget(seq)
	seq.kv.Close()
	m.states[seq.slot] = nil
}

// prefill appends tokens to seq in chunks and returns the row of the prefill buffer where the last one's residual stream is.
func (m *Model) prefill(ctx context.Context, seq *state, tokens []int32, flags uint32) (last int, err error) {
	for chunk := range slices.Chunk(tokens, m.chunk) {
		if err := m.prefillChunk(ctx, seq, chunk, flags); err != nil {
			return 0, err
		}
		last = len(chunk) - 1
	}
	return last, nil
}

// prefillChunk runs the layers over tokens; their residual streams end in the rows of the prefill buffer.
func (m *Model) prefillChunk(ctx context.Context, seq *state, tokens []int32, flags uint32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.placeChunk(seq, tokens, flags); err != nil {
		return err
	}
	p, err := m.programs.prefillProgram(m.prefillClass(len(tokens)))
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
func (m *Model) placeChunk(seq *state, tokens []int32, flags uint32) error {
	if err := m.pages.reserve(seq, len(tokens), flags&kernel.StepKeepFull == 0); err != nil {
		return err
	}
	return m.steps.chunk(&m.buffers.prefill, seq, tokens, flags)
}

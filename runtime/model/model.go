// Package model runs gpt-oss on a WebGPU device: it places the weights, plans the buffers, records the programs of prefill and
// decode, and keeps the key/value arenas. model.Model is the engine's Backend; ref.Model is the same in plain Go.
package model

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kv"
	"gossamer/runtime/weights"
)

// Precision is how keys and values are stored.
type Precision int

const (
	F16 Precision = iota // two bytes; the default
	F32                  // four bytes; for exact comparison
)

func (p Precision) bytes() int64 {
	if p == F32 {
		return 4
	}
	return 2
}

func (p Precision) String() string {
	if p == F32 {
		return "f32"
	}
	return "f16"
}

// Options choose what a model may use of its device. The zero value suits one user.
type Options struct {
	// Context is the number of positions of the key/value cache, shared by all sequences and the most that one can hold.
	// 0: the largest power of two up to the model's and 131,072 that the device has room for (8,192 on a software adapter).
	Context int
	// KV is the precision of the key/value cache.
	KV Precision
	// Chunk is the number of tokens that a prefill program takes at once. 0: 512 (64 on a software adapter, shorter texts too).
	Chunk int
	// Rows is the largest number of sequences decoded at once, a power of two up to 8. 0: 1.
	Rows int
	// Sequences is how many sequences may be alive, at least Rows; each takes a few pages of the sliding layers. 0: 4, or Rows.
	Sequences int
	// Checkpoints is how many places to resume from are kept over all sequences; older ones give way. 0: 16.
	Checkpoints int
	// WarmUp records what a first prompt needs before weights are loaded, so that a compiler that works beside everything else, as
	// in browsers, is done when they are there. Model.WarmUp does the rest.
	WarmUp bool
	// Progress is called while weights are loaded.
	Progress func(weights.Progress)
}

// Defaults and bounds of Options.
const (
	maxRows            = 8
	maxContext         = 131072
	leastContext       = 8192 // below it a model that could hold more is refused
	defaultChunk       = 512
	defaultChunkCPU    = 64
	defaultSequences   = 4
	defaultCheckpoints = 16
)

// Model is a gpt-oss model on a device.
type Model struct {
	cfg    *gptoss.Config
	dev    *gpu.Device
	kvType Precision

	context   int  // positions
	chunk     int  // rows of a prefill chunk
	rows      int  // rows of a decode program
	sequences int  // that may be alive
	oneClass  bool // all chunks take one program: on a processor, compiling another costs more than rows that are not there
	bill      Bill

	// mu guards all that follows: the device runs one program at a time and the scratch buffers belong to it.
	mu         sync.Mutex
	closed     bool
	live       map[*Sequence]struct{}
	pages      *kv.Cache
	seated     []*Sequence // [rows] whose hidden state and logits are in the decode buffers; nil where nobody's
	allowed    [][]uint32  // [rows] the mask last uploaded
	weights    weightBuffers
	scratch    scratchBuffers
	kernels    kernels
	programs   map[programKey]*gpu.Program
	buffers    []*gpu.Buffer // all of them, for Close
	stepBytes  []byte        // host copy of step rows, reused
	tableBytes []byte        // host copy of a page table, reused
}

// Load places the weights of a checkpoint on dev and prepares its programs. The device stays the caller's to close, after the
// model.
func Load(ctx context.Context, dev *gpu.Device, ck *weights.Checkpoint, o Options) (*Model, error) {
	m := &Model{
		cfg:      ck.Config(),
		dev:      dev,
		kvType:   o.KV,
		live:     map[*Sequence]struct{}{},
		programs: map[programKey]*gpu.Program{},
		kernels:  kernels{rows: map[int]*rowKernels{}},
	}
	if err := m.load(ctx, ck, o); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Model) load(ctx context.Context, ck *weights.Checkpoint, o Options) error {
	if err := m.setSizes(o); err != nil {
		return err
	}
	if err := m.makeWeightBuffers(); err != nil {
		return m.explain(err)
	}
	if err := m.makeCache(o); err != nil {
		return m.explain(err)
	}
	if err := m.makeScratch(); err != nil {
		return m.explain(err)
	}
	if err := m.makeKernels(); err != nil {
		return err
	}
	if o.WarmUp {
		if _, err := m.prefillProgram(m.prefillClass(firstPrompt)); err != nil {
			return err
		}
	}
	if err := ck.Load(ctx, sink{m}, o.Progress); err != nil {
		return err
	}
	// Warm up: the programs that every reply needs are recorded and compiled by the driver before the first token is asked for.
	if _, err := m.decodeProgram(1, 0); err != nil {
		return err
	}
	return m.dev.Wait(ctx)
}

// explain adds the bill to an error of memory.
func (m *Model) explain(err error) error {
	if errors.Is(err, gpu.ErrOutOfMemory) {
		return fmt.Errorf("model: the device's memory doesn't hold the model (%s, %s in all): close other programs, take a smaller context or another adapter: %w",
			m.bill, mib(m.bill.Total()), err)
	}
	return err
}

// Config returns the model's hyperparameters.
func (m *Model) Config() *gptoss.Config { return m.cfg }

// Context is the number of positions that a sequence can hold.
func (m *Model) Context() int { return m.context }

// Bill is what the model takes of the device's memory.
func (m *Model) Bill() Bill { return m.bill }

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
	for s := range m.live {
		s.closeLocked()
	}
	for _, p := range m.programs {
		p.Release()
	}
	m.kernels.release()
	for _, b := range m.buffers {
		b.Release()
	}
	return nil
}

var errClosed = errors.New("model: the model is closed")

// buffer makes a storage buffer that lives as long as the model. Kernels bind it whole.
func (m *Model) buffer(label string, nBytes int64) (*gpu.Buffer, error) {
	if limit := m.limits().most(); nBytes > limit {
		return nil, fmt.Errorf("model: %s takes %d bytes, the device binds at most %d: take a smaller context or chunk, or another adapter", label, nBytes, limit)
	}
	b, err := m.dev.NewBuffer(label, nBytes, gpu.Storage)
	if err != nil {
		return nil, err
	}
	m.buffers = append(m.buffers, b)
	return b, nil
}

// NewSequence returns an empty sequence.
func (m *Model) NewSequence() (engine.Sequence, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errClosed
	}
	return m.newSequence(m.pages.NewSequence(), nil)
}

// Package ref is gpt-oss in plain Go: the specification in code, which the kernels are tested against, and the backend where
// there is no GPU. ops.go holds the operations, model.go the forward pass in terms of them.
//
// Weights stay as the checkpoint stores them and are decoded row by row while they are used. Sums and activations are float64,
// keys, values and logits float32. Every result is the same to the bit for any chunk size and any number of workers.
package ref

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
)

// Model is a loaded model. Make one with Load. It implements engine.Backend.
type Model struct {
	config  *gptoss.Config
	options Options   // with the defaults filled in
	rope    []float32 // [Context][HeadDim/2][2], gptoss.Config.RopeTable
	params  atomic.Pointer[params]
	scratch sync.Pool // of *pass
	host    engine.Host
}

// params are the weights. Matrices are [out][in].
type params struct {
	embedding   linear // [Vocab][Hidden]; a table, never multiplied with
	layers      []layer
	finalNorm   []float32 // [Hidden]
	unembedding linear    // [Vocab][Hidden]
}

// layer is one transformer block.
type layer struct {
	attnNorm []float32 // [Hidden]
	q        linear    // [Heads*HeadDim][Hidden]
	k, v     linear    // [KVHeads*HeadDim][Hidden]
	sinks    []float32 // [Heads]
	o        linear    // [Hidden][Heads*HeadDim]

	mlpNorm []float32 // [Hidden]
	router  linear    // [Experts][Hidden]
	gateUp  []linear  // [Experts] of [2*Intermediate][Hidden]; row 2i is gate i, row 2i+1 up i
	down    []linear  // [Experts] of [Hidden][Intermediate]
}

var (
	_ engine.Backend      = (*Model)(nil)
	_ engine.HostSequence = (*Sequence)(nil)
	_ engine.RowReader    = (*Sequence)(nil)
)

// Config describes the model.
func (m *Model) Config() *gptoss.Config { return m.config }

// Context is the number of positions that one sequence can hold.
func (m *Model) Context() int { return m.options.Context }

// Limits are those of a processor, which computes one row after the other: as many as people who wait at the same time would like.
func (m *Model) Limits() engine.Limits {
	return engine.Limits{Rows: 4, Draws: 1, Chunk: 512}
}

// FreePages is 0: memory is taken from the process, without a bound of its own.
func (m *Model) FreePages() int { return 0 }

// Ready is always true.
func (m *Model) Ready(*engine.Step) bool { return true }

// Step does a step, row by row.
func (m *Model) Step(ctx context.Context, s *engine.Step) (engine.Pending, error) {
	return m.host.Step(ctx, m.config.Vocab, s)
}

// NewSequence returns an empty *Sequence.
func (m *Model) NewSequence() (engine.Sequence, error) {
	if m.params.Load() == nil {
		return nil, errClosed
	}
	return m.newSequence(), nil
}

func (m *Model) newSequence() *Sequence {
	return &Sequence{
		model: m,
		k:     make([][]float32, m.config.Layers),
		v:     make([][]float32, m.config.Layers),
	}
}

// Close releases the weights. Calls in progress finish; later ones fail.
func (m *Model) Close() error {
	m.params.Store(nil)
	return nil
}

var errClosed = errors.New("ref: the model or the sequence is closed")

// pass is one chunk of n tokens on its way through the model, and the arrays for that. The arrays are used again by later
// passes, of any sequence.
type pass struct {
	*Model
	params *params
	seq    *Sequence
	tokens []int32 // [n]
	rest   rest

	x []float64 // [n][Hidden] residual stream
	t []float64 // [n][Hidden] x, normalised
	y []float64 // [n][Hidden] what attention adds to x

	q     []float64 // [n][Heads][HeadDim]
	k, v  []float64 // [n][KVHeads][HeadDim]
	heads []float64 // [n][Heads][HeadDim] what the heads read

	routerLogits []float64 // [n][Experts]
	expert       []int32   // [n][TopK] the chosen experts, largest logit first
	weight       []float64 // [n][TopK]
	expertOut    []float64 // [n][TopK][Hidden]

	users     []int     // the chosen (token, slot) of one expert, as token*TopK + slot; at most n
	userT     []float64 // [users][Hidden] their rows of t
	gateUp    []float64 // [users][2*Intermediate]
	h         []float64 // [users][Intermediate]
	userOut   []float64 // [users][Hidden]
	logits    []float64 // [rows][Vocab]
	logits32  []float32 // [Vocab]
	finalRows []float64 // [rows][Hidden]
}

// resize gives s a length of n, keeping its memory if that suffices. The contents are undefined.
func resize[T any](s *[]T, n int) {
	if cap(*s) < n {
		*s = make([]T, n)
	}
	*s = (*s)[:n]
}

// newPass prepares a chunk; the caller releases it.
func (m *Model) newPass(p *params, s *Sequence, tokens []int32) *pass {
	f, _ := m.scratch.Get().(*pass)
	if f == nil {
		f = &pass{Model: m}
	}
	f.params, f.seq, f.tokens = p, s, tokens
	c, n := m.config, len(tokens)
	resize(&f.x, n*c.Hidden)
	resize(&f.t, n*c.Hidden)
	resize(&f.y, n*c.Hidden)
	resize(&f.q, n*c.QDim())
	resize(&f.k, n*c.KVDim())
	resize(&f.v, n*c.KVDim())
	resize(&f.heads, n*c.QDim())
	resize(&f.routerLogits, n*c.Experts)
	resize(&f.expert, n*c.TopK)
	resize(&f.weight, n*c.TopK)
	resize(&f.expertOut, n*c.TopK*c.Hidden)
	return f
}

// release keeps the arrays for a later pass, but neither weights nor sequence.
func (f *pass) release() {
	f.params, f.seq, f.tokens = nil, nil, nil
	f.scratch.Put(f)
}

// forward runs the chunk through the layers and leaves the residual stream in x and the chunk's keys and values in the
// sequence's cache. It does not change the sequence's length.
func (f *pass) forward(ctx context.Context) error {
	hidden := f.config.Hidden
	for i, token := range f.tokens {
		f.params.embedding.row(f.x[i*hidden:][:hidden], int(token), 0)
	}
	for n := range f.params.layers {
		f.rest.take()
		if err := ctx.Err(); err != nil {
			return err
		}
		f.attention(n)
		if err := f.mlp(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// attention adds the attention of layer n to the residual stream.
func (f *pass) attention(n int) {
	c, l := f.config, &f.params.layers[n]
	first := f.seq.length // position of the chunk's first token

	f.norm(f.t, f.x, l.attnNorm)
	f.trace(n, "attn_norm", f.t)
	f.linear(f.q, f.t, &l.q)
	f.linear(f.k, f.t, &l.k)
	f.linear(f.v, f.t, &l.v)
	for i := range f.tokens {
		cosSin := f.rope[(first+i)*c.HeadDim:][:c.HeadDim]
		rope(f.q[i*c.QDim():][:c.QDim()], cosSin)
		rope(f.k[i*c.KVDim():][:c.KVDim()], cosSin)
	}
	f.trace(n, "q_rope", f.q)
	f.trace(n, "k_rope", f.k)
	f.trace(n, "v", f.v)
	keys, values := f.seq.store(n, f.k, f.v)

	group := c.Heads / c.KVHeads // query heads that share a KV head
	parallel(f.options.Workers, len(f.tokens)*c.Heads, (first+len(f.tokens))*2*c.HeadDim, func(lo, hi int) {
		for j := lo; j < hi; j++ {
			position, head := first+j/c.Heads, j%c.Heads
			from := 0
			if c.Sliding[n] {
				from = max(0, position+1-c.Window)
			}
			at := from*c.KVDim() + head/group*c.HeadDim
			attention(f.heads[j*c.HeadDim:][:c.HeadDim], f.q[j*c.HeadDim:][:c.HeadDim],
				keys[at:], values[at:], c.KVDim(), position+1-from, float64(l.sinks[head]))
		}
	})
	f.trace(n, "attn_heads", f.heads)

	f.linear(f.y, f.heads, &l.o)
	for i, v := range f.y {
		f.x[i] += v
	}
	f.trace(n, "after_attn", f.x)
}

// mlp adds the mixture of experts of layer n to the residual stream.
func (f *pass) mlp(ctx context.Context, n int) error {
	c, l := f.config, &f.params.layers[n]

	f.norm(f.t, f.x, l.mlpNorm)
	f.trace(n, "mlp_norm", f.t)
	f.linear(f.routerLogits, f.t, &l.router)
	f.trace(n, "router_logits", f.routerLogits)
	for i := range f.tokens {
		topK(f.expert[i*c.TopK:][:c.TopK], f.weight[i*c.TopK:][:c.TopK], f.routerLogits[i*c.Experts:][:c.Experts])
	}
	f.traceExperts(n)

	// An expert serves all its tokens at once, so that its weights are decoded once.
	for e := range c.Experts {
		f.rest.take()
		if err := ctx.Err(); err != nil { // a chunk can take seconds in one layer
			return err
		}
		f.users = f.users[:0]
		for slot, chosen := range f.expert {
			if int(chosen) == e {
				f.users = append(f.users, slot)
			}
		}
		if len(f.users) > 0 {
			f.runExpert(&l.gateUp[e], &l.down[e])
		}
	}

	for i := range f.tokens {
		x := f.x[i*c.Hidden:][:c.Hidden]
		for slot := i * c.TopK; slot < (i+1)*c.TopK; slot++ {
			w := f.weight[slot]
			for j, v := range f.expertOut[slot*c.Hidden:][:c.Hidden] {
				x[j] += w * v
			}
		}
	}
	f.trace(n, "after_mlp", f.x)
	return nil
}

// runExpert computes expertOut of users.
func (f *pass) runExpert(gateUp, down *linear) {
	c, n := f.config, len(f.users)
	resize(&f.userT, n*c.Hidden)
	resize(&f.gateUp, n*2*c.Intermediate)
	resize(&f.h, n*c.Intermediate)
	resize(&f.userOut, n*c.Hidden)

	for u, slot := range f.users {
		copy(f.userT[u*c.Hidden:][:c.Hidden], f.t[slot/c.TopK*c.Hidden:])
	}
	f.linear(f.gateUp, f.userT, gateUp)
	swiGLU(f.h, f.gateUp, c.SwiGLULimit, c.SwiGLUAlpha)
	f.linear(f.userOut, f.h, down)
	for u, slot := range f.users {
		copy(f.expertOut[slot*c.Hidden:][:c.Hidden], f.userOut[u*c.Hidden:])
	}
}

// unembed computes the logits of rows of the residual stream: x [rows][Hidden] to f.logits [rows][Vocab].
func (f *pass) unembed(x []float64) {
	rows := len(x) / f.config.Hidden
	resize(&f.finalRows, len(x))
	resize(&f.logits, rows*f.config.Vocab)
	f.norm(f.finalRows, x, f.params.finalNorm)
	f.linear(f.logits, f.finalRows, &f.params.unembedding)
}

// norm is rmsNorm of every row of x.
func (f *pass) norm(y, x []float64, scale []float32) {
	for w := len(scale); len(x) > 0; y, x = y[w:], x[w:] {
		rmsNorm(y[:w], x[:w], scale, f.config.NormEps)
	}
}

// linear is matMul of every row of x, its outputs shared among the workers.
func (f *pass) linear(y, x []float64, l *linear) {
	n := len(x) / l.Cols
	tiles := (l.Rows + tileRows - 1) / tileRows
	parallel(f.options.Workers, tiles, n*tileRows*l.Cols, func(lo, hi int) {
		l.matMul(y, x, n, lo*tileRows, min(hi*tileRows, l.Rows))
	})
}

func (f *pass) trace(layer int, name string, values []float64) {
	if f.options.Trace != nil {
		f.options.Trace(layer, name, values)
	}
}

func (f *pass) traceExperts(layer int) {
	if f.options.Trace == nil {
		return
	}
	index := make([]float64, len(f.expert))
	for i, e := range f.expert {
		index[i] = float64(e)
	}
	f.trace(layer, "expert_index", index)
	f.trace(layer, "expert_weight", f.weight)
}

//go:build !js

package model

import (
	"context"
	"maps"
	"slices"
	"sync"

	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/kv"
)

// preparer compiles and records programs beside the steps of others, one after the other.
type preparer struct {
	programs *programs
	ctx      context.Context // ends with the model
	cancel   context.CancelFunc
	worker   sync.WaitGroup

	mu     *sync.Mutex // the model's, which guards the programs and what follows; the callers of methods hold it
	used   bool        // somebody plans steps by Ready
	wanted []programKey
	failed map[programKey]bool // a step that needs one of them says why
}

func newPreparer(p *programs, mu *sync.Mutex) *preparer {
	ctx, cancel := context.WithCancel(context.Background())
	return &preparer{programs: p, ctx: ctx, cancel: cancel, mu: mu, failed: map[programKey]bool{}}
}

// stop waits for the program that is being prepared. The caller does not hold mu.
func (p *preparer) stop() {
	p.mu.Lock()
	p.cancel()
	p.mu.Unlock()
	p.worker.Wait()
}

// want has programs prepared that are not there, or on their way.
func (p *preparer) want(keys ...programKey) {
	idle := len(p.wanted) == 0
	for _, k := range keys {
		if !p.has(k) && !slices.Contains(p.wanted, k) && p.ctx.Err() == nil {
			p.wanted = append(p.wanted, k)
		}
	}
	if idle && len(p.wanted) > 0 {
		p.worker.Go(p.work)
	}
}

// has reports whether a step need not wait for a program.
func (p *preparer) has(k programKey) bool { return p.programs.recorded[k] != nil || p.failed[k] }

// work prepares what is wanted. A step that cannot wait for a program makes it a second time; the first to be done is kept.
func (p *preparer) work() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.wanted) > 0 && p.ctx.Err() == nil {
		k, draft := p.wanted[0], p.programs.draft()
		p.mu.Unlock()
		err := draft.prepare(k)
		p.mu.Lock()
		if err != nil {
			draft.release()
			p.failed[k] = true
		} else {
			p.programs.adopt(draft)
		}
		p.wanted = p.wanted[1:]
	}
}

// draft returns programs that have the kernels of p, for one goroutine to add to beside those who use p.
func (p *programs) draft() *programs {
	d := &programs{sizes: p.sizes, dev: p.dev, buf: p.buf, prefill: p.prefill, decode: map[int]*decodeKernels{}, recorded: map[programKey]*gpu.Program{}}
	for rows, k := range p.decode {
		own := *k
		own.attnFull = maps.Clone(k.attnFull)
		d.decode[rows] = &own
	}
	return d
}

// prepare records a program.
func (p *programs) prepare(k programKey) error {
	var err error
	switch {
	case k.prefill:
		_, err = p.prefillProgram(k.rows)
	case k.draw:
		_, err = p.drawProgram(k.rows, k.sampling)
	default:
		_, err = p.forwardProgram(k.rows, k.splits)
	}
	return err
}

// adopt takes what a draft has and p does not.
func (p *programs) adopt(d *programs) {
	p.kernels = append(p.kernels, d.kernels...)
	for key, prog := range d.recorded {
		if p.recorded[key] != nil {
			prog.Release()
			continue
		}
		p.recorded[key] = prog
	}
	for rows, k := range d.decode {
		own := p.decode[rows]
		if own == nil {
			p.decode[rows] = k
			continue
		}
		if own.logprobs == nil {
			own.sampleFull, own.logprobs = k.sampleFull, k.logprobs
		}
		for splits, attn := range k.attnFull {
			if _, ok := own.attnFull[splits]; !ok {
				own.attnFull[splits] = attn
			}
		}
	}
}

// Ready reports whether a step like s can be queued without a compiler. If not, what it needs is prepared beside the steps that can. What
// its rows will need when they are a page longer is prepared as well.
func (m *Model) Ready(s *engine.Step) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.preparer.used = true
	if m.closed {
		return true // Step says so
	}
	return m.readyRows(s) && m.readyPiece(s.Prefill)
}

func (m *Model) readyRows(s *engine.Step) bool {
	if len(s.Rows) == 0 {
		return true
	}
	longest, sampling := 0, plainSampling
	for i := range s.Rows {
		row := decodeRow{Row: &s.Rows[i], seq: s.Rows[i].Seq.(*sequence).state}
		longest, sampling = max(longest, row.seq.kv.Len()), max(sampling, samplingOf(&row))
	}
	positions := min(longest+s.Draws, m.context)
	width := m.preparer.width(len(s.Rows), m.splitsFor(positions), sampling)
	if width == 0 {
		draw, forward := m.stepKeys(m.paddedRows(len(s.Rows)), m.splitsFor(positions), sampling)
		if !m.preparer.wider(draw) || !m.preparer.wider(forward) {
			m.preparer.want(draw, forward)
		}
		return false
	}
	m.preparer.want(m.stepKeys(width, m.splitsFor(min(positions+kv.PageTokens, m.context)), sampling))
	return true
}

// stepKeys are the programs of a token for so many rows.
func (s *sizes) stepKeys(rows, splits int, sampling sampling) (draw, forward programKey) {
	return programKey{draw: true, rows: rows, sampling: sampling}, programKey{rows: rows, splits: splits}
}

// width is the smallest number of rows, at least n, of which there are the programs of a token; 0 if there are none.
func (p *preparer) width(n, splits int, sampling sampling) int {
	for rows := p.programs.paddedRows(n); rows <= p.programs.rows; rows *= 2 {
		if draw, forward := p.programs.stepKeys(rows, splits, sampling); p.has(draw) && p.has(forward) {
			return rows
		}
	}
	return 0
}

// wider reports whether a program that can stand in for k is on its way.
func (p *preparer) wider(k programKey) bool {
	return slices.ContainsFunc(p.wanted, func(o programKey) bool {
		rows := o.rows
		o.rows = k.rows
		return o == k && rows >= k.rows
	})
}

// decodeWidth is the number of rows of the programs for a step of n rows: as few as there can be, unless they are still to be prepared.
func (p *preparer) decodeWidth(n, splits int, sampling sampling) int {
	exact := p.programs.paddedRows(n)
	if !p.used {
		return exact
	}
	width := p.width(n, splits, sampling)
	if width == 0 {
		return exact
	}
	p.want(p.programs.stepKeys(exact, splits, sampling))
	return width
}

func (m *Model) readyPiece(piece engine.Piece) bool {
	if piece.Seq == nil {
		return true
	}
	ready := true
	for _, n := range []int{min(len(piece.Tokens), m.chunk), len(piece.Tokens) % m.chunk} {
		if n > 0 && m.preparer.class(n) == 0 {
			m.preparer.want(programKey{prefill: true, rows: m.prefillClass(n)})
			ready = false
		}
	}
	return ready
}

// class is the smallest class of rows of prefill, at least n, of which there is a program; 0 if there is none.
func (p *preparer) class(n int) int {
	for exact := p.programs.prefillClass(n); ; exact = p.programs.prefillClass(exact + 1) {
		if p.has(programKey{prefill: true, rows: exact}) {
			return exact
		}
		if exact == p.programs.prefillClass(p.programs.chunk) {
			return 0
		}
	}
}

// chunkClass is the class of the program for a chunk of n tokens; see decodeWidth.
func (p *preparer) chunkClass(n int) int {
	exact := p.programs.prefillClass(n)
	if !p.used {
		return exact
	}
	class := p.class(n)
	if class == 0 {
		return exact
	}
	p.want(programKey{prefill: true, rows: exact})
	return class
}

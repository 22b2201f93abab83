package gpu

import (
	"context"
	"fmt"

	"gossamer/shaders"
)

// Binding is what a dispatch gives to one binding of its shader: Size bytes of Buffer at Off, a multiple of
// Caps.OffsetAlignment. Size 0 is everything from Off.
type Binding struct {
	Buffer *Buffer
	Off    int64
	Size   int64
}

// Program is a recorded list of dispatches and copies, which Submit replays in order: each sees what the ones before it wrote.
type Program struct {
	d          *Device
	label      string
	ops        []op
	dispatches int
	uses       []users // of the buffers and pipelines that it was recorded with
	broken     error   // why it can't be submitted any more
	freed      bool
}

// users are the programs that were recorded with a buffer or a pipeline.
type users map[*Program]struct{}

// add notes that p can't run without the owner of u.
func (u users) add(p *Program) {
	if _, ok := u[p]; !ok {
		u[p] = struct{}{}
		p.uses = append(p.uses, u)
	}
}

// release marks the users as broken, because what they were recorded with is released.
func (u users) release(what string) {
	for p := range u {
		p.broken = fmt.Errorf("%s is released: %w", what, errClosed)
	}
	clear(u)
}

// op is one dispatch, or one copy where src is set.
type op struct {
	pipeline rawPipeline
	group    rawGroup
	grid     [3]uint32 // workgroups

	dst, src       rawBuffer
	dstOff, srcOff int64
	n              int64 // bytes to copy; 0: a dispatch
}

// NewProgram returns an empty program. label names it in errors.
func (d *Device) NewProgram(label string) *Program {
	p := &Program{d: d, label: label}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.raw != nil {
		d.live[p] = struct{}{}
	}
	return p
}

// Dispatch appends a run of pl over grid workgroups, with args in the order of the shader's bindings. A buffer that the shader
// writes may not be bound a second time in the same dispatch, except to write another range of it.
func (p *Program) Dispatch(pl *Pipeline, grid [3]int, args ...Binding) error {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	if err := p.dispatch(pl, grid, args); err != nil {
		return fmt.Errorf("gpu: program %s: dispatch %d: %w", p.label, len(p.ops), err)
	}
	return nil
}

func (p *Program) dispatch(pl *Pipeline, grid [3]int, args []Binding) error {
	if err := p.recordable(); err != nil {
		return err
	}
	switch {
	case pl == nil:
		return fmt.Errorf("no pipeline")
	case pl.d != p.d:
		return fmt.Errorf("shader %s belongs to another device", pl.name)
	case pl.freed:
		return fmt.Errorf("shader %s is released: %w", pl.name, errClosed)
	case len(args) != len(pl.bindings):
		return fmt.Errorf("shader %s has %d bindings, got %d", pl.name, len(pl.bindings), len(args))
	}
	o := op{pipeline: pl.raw}
	for i, n := range grid {
		if n < 1 || n > p.d.caps.MaxWorkgroupsPerDim {
			return fmt.Errorf("shader %s: grid %v: the device allows 1 to %d workgroups per dimension", pl.name, grid, p.d.caps.MaxWorkgroupsPerDim)
		}
		o.grid[i] = uint32(n)
	}
	bound := make([]Binding, len(args))
	for i, a := range args {
		b, err := p.d.bindable(pl.bindings[i], a)
		if err == nil {
			err = aliased(pl.bindings, bound[:i], b)
		}
		if err != nil {
			return fmt.Errorf("shader %s: binding %d: %w", pl.name, i, err)
		}
		bound[i] = b
	}
	group, err := p.d.raw.newGroup(p.label+"/"+pl.name, pl.raw, bound)
	if err != nil {
		return p.d.note("shader "+pl.name, err)
	}
	o.group = group
	pl.users.add(p)
	for _, b := range bound {
		b.Buffer.users.add(p)
	}
	p.ops = append(p.ops, o)
	p.dispatches++
	return nil
}

// bindable returns a with its size filled in, or why it can't be bound for that access.
func (d *Device) bindable(access shaders.Access, a Binding) (Binding, error) {
	if a.Size == 0 && a.Buffer != nil {
		a.Size = a.Buffer.bytes - a.Off
	}
	if err := a.Buffer.span(d, a.Off, a.Size); err != nil {
		return a, err
	}
	b, limit, kind := a.Buffer, d.caps.MaxBindingBytes, Storage
	if access == shaders.Uniform {
		limit, kind = d.caps.MaxUniformBytes, Uniform
	}
	switch {
	case b.usage != kind && kind == Uniform:
		return a, fmt.Errorf("buffer %q is a storage buffer, the shader wants a uniform", b.label)
	case b.usage != kind:
		return a, fmt.Errorf("buffer %q is a uniform, the shader wants storage", b.label)
	case a.Size == 0 || a.Size%4 != 0:
		return a, fmt.Errorf("buffer %q: %d bytes at %d are not whole words", b.label, a.Size, a.Off)
	case a.Off%d.caps.OffsetAlignment != 0:
		return a, fmt.Errorf("buffer %q: offset %d is not a multiple of %d", b.label, a.Off, d.caps.OffsetAlignment)
	case a.Size > limit:
		return a, fmt.Errorf("buffer %q binds %s: the device allows bindings of %s", b.label, byteCount(a.Size), byteCount(limit))
	}
	return a, nil
}

// aliased returns an error if b, the next binding after bound, shares a buffer with one of them in a way that WebGPU forbids.
func aliased(access []shaders.Access, bound []Binding, b Binding) error {
	for i, other := range bound {
		if other.Buffer != b.Buffer || access[i] == access[len(bound)] && access[i] != shaders.ReadWrite {
			continue
		}
		if access[i] != access[len(bound)] {
			return fmt.Errorf("buffer %q is bound to be read and to be written in one dispatch (also binding %d)", b.Buffer.label, i)
		}
		if b.Off < other.Off+other.Size && other.Off < b.Off+b.Size {
			return fmt.Errorf("buffer %q is bound twice to be written, and the ranges overlap (also binding %d)", b.Buffer.label, i)
		}
	}
	return nil
}

// Copy appends a copy of n bytes between two different buffers; offsets and n are multiples of 4. It ends the compute pass, so it
// costs more than its bytes.
func (p *Program) Copy(dst *Buffer, dstOff int64, src *Buffer, srcOff, n int64) error {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	err := p.recordable()
	if err == nil {
		err = dst.span(p.d, dstOff, n)
	}
	if err == nil {
		err = src.span(p.d, srcOff, n)
	}
	switch {
	case err != nil:
	case n == 0 || n%4 != 0:
		err = fmt.Errorf("%d bytes are not whole words", n)
	case dst == src:
		err = fmt.Errorf("source and destination are both buffer %q", src.label)
	case src.usage == Uniform:
		err = fmt.Errorf("buffer %q is a uniform: it can't be copied from", src.label)
	}
	if err != nil {
		return fmt.Errorf("gpu: program %s: copy %d: %w", p.label, len(p.ops), err)
	}
	src.users.add(p)
	dst.users.add(p)
	p.ops = append(p.ops, op{dst: dst.raw, src: src.raw, dstOff: dstOff, srcOff: srcOff, n: n})
	return nil
}

// recordable returns why nothing can be appended to p, or nil.
func (p *Program) recordable() error {
	if err := p.d.usable(); err != nil {
		return err
	}
	if p.freed {
		return errClosed
	}
	return p.broken
}

// Dispatches is the number of dispatches recorded.
func (p *Program) Dispatches() int { return p.dispatches }

// Release frees the program. It may be called twice.
func (p *Program) Release() {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	p.releaseLocked()
}

func (p *Program) releaseLocked() {
	if p.freed {
		return
	}
	p.freed = true
	delete(p.d.live, p)
	for _, o := range p.ops {
		if o.n == 0 {
			p.d.raw.releaseGroup(o.group)
		}
	}
	for _, u := range p.uses {
		delete(u, p)
	}
	p.ops, p.uses = nil, nil
}

// Submit runs programs in order, as one piece of work for the queue. It doesn't wait for them.
func (d *Device) Submit(ctx context.Context, programs ...*Program) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return fmt.Errorf("gpu: submit: %w", err)
	}
	if err := d.runnable(programs); err != nil {
		return fmt.Errorf("gpu: submit %w", err)
	}
	if _, err := d.raw.submit(programs); err != nil {
		return d.fail("submit "+labels(programs), err)
	}
	d.submitted(programs)
	return nil
}

// runnable says why one of programs can't be submitted.
func (d *Device) runnable(programs []*Program) error {
	for _, p := range programs {
		err := p.broken
		switch {
		case p.d != d:
			err = fmt.Errorf("belongs to another device")
		case p.freed:
			err = errClosed
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.label, err)
		}
	}
	return nil
}

// submitted counts a submit of programs, which takes along the writes that were queued.
func (d *Device) submitted(programs []*Program) {
	d.pending = 0
	if len(programs) > 0 {
		d.stats.Submits++
	}
	for _, p := range programs {
		d.stats.Dispatches += int64(p.dispatches)
	}
}

// labels lists the names of programs.
func labels(programs []*Program) string {
	s := ""
	for i, p := range programs {
		if i > 0 {
			s += "+"
		}
		s += p.label
	}
	return s
}

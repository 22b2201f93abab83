package gpu

import (
	"context"
	"fmt"
)

// Usage is what a buffer is for. Both kinds can be written by the host and by copies.
type Usage int

const (
	Storage Usage = iota // storage bindings, read or written; source and destination of copies
	Uniform              // uniform bindings; destination of copies
)

// Buffer is memory of a device. It starts as zeros.
type Buffer struct {
	d     *Device
	raw   rawBuffer
	label string
	bytes int64
	usage Usage
	users users
	freed bool
}

// flushBytes is how much may be written before an empty submit starts the writes. A queue write is staged until the next submit, so
// that loading a model without submits would hold a second copy of it in memory.
const flushBytes = 64 << 20

// maxStagingBytes bounds the readback buffer: longer reads go in pieces.
const maxStagingBytes = 16 << 20

// NewBuffer returns a buffer of nBytes zeros, rounded up to a multiple of 4 (16 where usage is Uniform). label names it in errors.
func (d *Device) NewBuffer(label string, nBytes int64, usage Usage) (*Buffer, error) {
	align := int64(4)
	if usage == Uniform {
		align = 16
	}
	what := fmt.Sprintf("buffer %q of %s", label, byteCount(nBytes))
	switch {
	case nBytes <= 0:
		return nil, fmt.Errorf("gpu: buffer %q of %d bytes: want at least 1", label, nBytes)
	case nBytes > d.caps.MaxBufferBytes:
		return nil, fmt.Errorf("gpu: %s: the device allows %s", what, byteCount(d.caps.MaxBufferBytes))
	case usage == Uniform && nBytes > d.caps.MaxUniformBytes:
		return nil, fmt.Errorf("gpu: uniform %s: the device allows uniforms of %s", what, byteCount(d.caps.MaxUniformBytes))
	}
	n := (nBytes + align - 1) / align * align // both limits are multiples of align
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return nil, fmt.Errorf("gpu: %s: %w", what, err)
	}
	raw, err := d.raw.newBuffer(label, n, usage)
	if err != nil {
		return nil, d.fail(what, err)
	}
	b := &Buffer{d: d, raw: raw, label: label, bytes: n, usage: usage, users: users{}}
	d.live[b] = struct{}{}
	d.stats.BuffersCreated++
	d.stats.LiveBuffers++
	d.stats.LiveBytes += n
	return b, nil
}

// Bytes is the buffer's size.
func (b *Buffer) Bytes() int64 { return b.bytes }

// Release frees the buffer. Programs recorded with it can't be submitted any more; its memory goes once they are released too,
// and what was submitted before has run. It may be called twice.
func (b *Buffer) Release() {
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	b.releaseLocked()
}

func (b *Buffer) releaseLocked() {
	if b.freed {
		return
	}
	b.freed = true
	b.users.release(fmt.Sprintf("buffer %q", b.label))
	b.d.raw.releaseBuffer(b.raw)
	delete(b.d.live, b)
	b.d.stats.LiveBuffers--
	b.d.stats.LiveBytes -= b.bytes
}

// span checks that [off, off+n) lies in b and that b can be used. The caller holds mu.
func (b *Buffer) span(d *Device, off, n int64) error {
	switch {
	case b == nil:
		return fmt.Errorf("no buffer")
	case b.d != d:
		return fmt.Errorf("buffer %q belongs to another device", b.label)
	case b.freed:
		return fmt.Errorf("buffer %q is released: %w", b.label, errClosed)
	case off < 0 || n < 0 || off > b.bytes || n > b.bytes-off:
		return fmt.Errorf("buffer %q has %d bytes, asked for %d at %d", b.label, b.bytes, n, off)
	case off%4 != 0:
		return fmt.Errorf("buffer %q: offset %d is not a multiple of 4", b.label, off)
	}
	return nil
}

// Write copies p to b at off, a multiple of 4, before anything submitted later runs. Where len(p) is not a multiple of 4, the
// rest of the last word is set to zero. p may be reused at once.
func (d *Device) Write(b *Buffer, off int64, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if rest := len(p) % 4; rest != 0 {
		whole := len(p) - rest
		var word [4]byte
		copy(word[:], p[whole:])
		if err := d.writeWords(b, off, p[:whole]); err != nil {
			return err
		}
		return d.writeWords(b, off+int64(whole), word[:])
	}
	return d.writeWords(b, off, p)
}

// Write is the device's Write to b.
func (b *Buffer) Write(off int64, p []byte) error { return b.d.Write(b, off, p) }

// writeWords is Write for whole words.
func (d *Device) writeWords(b *Buffer, off int64, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := int64(len(p))
	if err := d.queueWrite(b, off, n, func() error { return d.raw.write(b.raw, off, p) }); err != nil {
		return err
	}
	return d.boundStaged(b, n)
}

// queueWrite checks and counts a write of n bytes, whole words, that write queues. The caller holds mu.
func (d *Device) queueWrite(b *Buffer, off, n int64, write func() error) error {
	if err := d.usable(); err != nil {
		return fmt.Errorf("gpu: write: %w", err)
	}
	if err := b.span(d, off, n); err != nil {
		return fmt.Errorf("gpu: write: %w", err)
	}
	if err := write(); err != nil {
		return d.fail(fmt.Sprintf("write %q", b.label), err)
	}
	d.stats.BytesWritten += n
	return nil
}

// boundStaged bounds what the queue's writes hold a copy of, after one of n bytes to b. The caller holds mu.
func (d *Device) boundStaged(b *Buffer, n int64) error {
	d.pending += n
	if d.pending < flushBytes {
		return nil
	}
	at, err := d.raw.submit(nil)
	if err != nil {
		return d.fail(fmt.Sprintf("write %q", b.label), err)
	}
	d.pending = 0
	d.flushes = append(d.flushes, at)
	if len(d.flushes) > 2 { // bound what is staged: the next write waits for the last but two
		if err := d.raw.poll(d.flushes[0]); err != nil {
			return d.fail(fmt.Sprintf("write %q", b.label), err)
		}
		d.flushes = append(d.flushes[:0], d.flushes[1:]...)
	}
	return nil
}

// Read waits for everything submitted before and copies len(dst) bytes of b at off, a multiple of 4, to dst. If ctx ends first,
// the device stays usable; the call returns with a part of dst written at most.
func (d *Device) Read(ctx context.Context, b *Buffer, off int64, dst []byte) error {
	for len(dst) > 0 {
		piece := dst[:min(len(dst), maxStagingBytes)]
		if err := d.read(ctx, b, off, piece); err != nil {
			return fmt.Errorf("gpu: read: %w", err)
		}
		off, dst = off+int64(len(piece)), dst[len(piece):]
	}
	return nil
}

// Wait waits for everything submitted before.
func (d *Device) Wait(ctx context.Context) error {
	if err := d.read(ctx, nil, 0, nil); err != nil {
		return fmt.Errorf("gpu: wait: %w", err)
	}
	return nil
}

// read is Read; without dst it only waits.
func (d *Device) read(ctx context.Context, b *Buffer, off int64, dst []byte) error {
	r, err := d.start(ctx, b, off, int64(len(dst)), nil)
	if err != nil {
		return err
	}
	return r.finish(ctx, dst)
}

// Readback is a copy of a buffer's bytes that is on its way to the host. Finish must be called, once: until then no other read begins.
type Readback struct {
	d  *Device
	s  *staging
	at rawSubmission
}

// StartRead queues the copy of n bytes of b at off, a multiple of 4, behind everything submitted before, and does not wait for it. Programs
// run before it, in the same submit. What is submitted afterwards runs behind the copy, which does not wait for that. n is at most 16 MiB;
// without b nothing is copied.
func (d *Device) StartRead(ctx context.Context, b *Buffer, off, n int64, programs ...*Program) (*Readback, error) {
	if n > maxStagingBytes {
		return nil, fmt.Errorf("gpu: read: %s at once, want at most %s", byteCount(n), byteCount(maxStagingBytes))
	}
	r, err := d.start(ctx, b, off, n, programs)
	if err != nil {
		return nil, fmt.Errorf("gpu: read: %w", err)
	}
	return r, nil
}

// Finish waits for the copy and moves it to dst, which has the length that was asked for. If ctx ends first, the device stays usable.
func (r *Readback) Finish(ctx context.Context, dst []byte) error {
	if err := r.finish(ctx, dst); err != nil {
		return fmt.Errorf("gpu: read: %w", err)
	}
	return nil
}

// start is StartRead.
func (d *Device) start(ctx context.Context, b *Buffer, off, n int64, programs []*Program) (*Readback, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var s *staging
	select {
	case s = <-d.staging:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	at, err := d.startRead(s, b, off, n, programs)
	if err != nil {
		d.staging <- s
		return nil, err
	}
	return &Readback{d, s, at}, nil
}

func (r *Readback) finish(ctx context.Context, dst []byte) error {
	d, s := r.d, r.s
	if ctx.Done() == nil {
		d.poll(r.at)
		err := d.finishRead(s, r.at, dst)
		d.staging <- s
		return err
	}
	// The binding's wait can't be interrupted. Should ctx end first, the goroutine waits on, and hands the staging buffer over.
	done, taken := make(chan struct{}), make(chan struct{})
	d.waits.Go(func() {
		d.poll(r.at)
		select {
		case done <- struct{}{}:
			<-taken
		case <-ctx.Done():
		}
		d.staging <- s
	})
	select {
	case <-done:
		defer close(taken)
		return d.finishRead(s, r.at, dst)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// startRead submits programs and the copy of n bytes of b at off to the staging buffer, which it grows where needed. Without b nothing is
// copied, but the submission still ends after everything before it.
func (d *Device) startRead(s *staging, b *Buffer, off, n int64, programs []*Program) (at rawSubmission, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return at, err
	}
	if err := d.runnable(programs); err != nil {
		return at, err
	}
	what, raw := "wait", *new(rawBuffer)
	if b != nil {
		n = (n + 3) / 4 * 4 // a buffer ends at a multiple of 4
		if err := b.span(d, off, n); err != nil {
			return at, err
		}
		what, raw = fmt.Sprintf("buffer %q", b.label), b.raw
	}
	if need := max(n, 4); s.bytes < need {
		size := int64(1 << 12)
		for size < need {
			size *= 2
		}
		if s.bytes > 0 {
			d.raw.releaseBuffer(s.raw)
			s.bytes = 0
		}
		grown, err := d.raw.newStaging(size)
		if err != nil {
			return at, d.note(what, err)
		}
		s.raw, s.bytes = grown, size
		d.stats.BuffersCreated++
	}
	if at, err = d.raw.readback(programs, s.raw, raw, off, n); err != nil {
		return at, d.note(what, err)
	}
	d.submitted(programs)
	return at, nil
}

// poll waits until the submission has run, without holding mu. The device stays open: the caller holds the staging buffer, for
// which Close waits.
func (d *Device) poll(at rawSubmission) {
	d.mu.Lock()
	raw := d.raw
	d.mu.Unlock()
	raw.poll(at) // what reads afterwards reports an error
}

// finishRead copies the staging buffer to dst, once the submission that filled it has run.
func (d *Device) finishRead(s *staging, at rawSubmission, dst []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.raw.take(s.raw, at, dst); err != nil {
		return d.note("staging buffer", err)
	}
	d.flushes = d.flushes[:0]
	d.stats.Readbacks++
	d.stats.BytesRead += int64(len(dst))
	return nil
}

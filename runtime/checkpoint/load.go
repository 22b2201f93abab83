package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// PieceBytes is the size of the pieces in which Load delivers tensors; the last piece of a segment may be shorter.
const PieceBytes = 16 << 20

// piece is some bytes of a tensor.
type piece struct {
	tensor int
	at     int64 // in the tensor
	data   []byte
}

// ReadError is an error of Load that is about the checkpoint: a file, a host, weights that are damaged. Others are about the sink.
type ReadError struct{ err error }

func (e *ReadError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *ReadError) Unwrap() error { return e.err }

// LoadPlaced brings every tensor of the model to its place: by the source where it can do that, else by Load. A source that does
// it looks for no NaN.
func (c *Checkpoint) LoadPlaced(ctx context.Context, to Placer, progress func(Progress)) error {
	if c.d.Source.Move != nil {
		return c.d.Source.Move(ctx, to, progress)
	}
	return c.Load(ctx, to, progress)
}

// Load streams every tensor of the model into sink, in the order of the files, and calls progress, if not nil, after each
// piece. Two pieces are in memory at a time, one being read while the other is taken; of a packed model, also a few chunks. A
// NaN or an infinity in the weights is an error that names the tensor and the element (the search runs at memory speed). Load
// returns ctx's error between pieces once ctx is cancelled.
func (c *Checkpoint) Load(ctx context.Context, sink Sink, progress func(Progress)) error {
	segments := ByFile(c.d.Segments)
	total := int64(0)
	for _, s := range segments {
		total += s.N
	}
	m := c.d.Source.meter(total)

	ctx, cancel := context.WithCancel(ctx)
	full := make(chan piece)
	empty := make(chan []byte, 2)
	for range cap(empty) {
		empty <- make([]byte, min(PieceBytes, m.BytesTotal))
	}
	var readErr error // of the reading goroutine; valid once full is closed
	go func() {
		defer close(full)
		readErr = c.read(ctx, segments, func(r io.Reader, s Segment) error { return c.cut(ctx, r, s, empty, full) })
	}()
	defer func() { // joins the goroutine
		cancel()
		for range full {
		}
	}()

	for p := range full {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := sink.Put(ctx, c.tensors[p.tensor], p.at, p.data); err != nil {
			return err
		}
		m.Add(int64(len(p.data)), progress)
		empty <- p.data[:cap(p.data)]
	}
	if readErr != nil {
		return &ReadError{readErr}
	}
	return nil
}

// cut reads a segment from r in pieces, checked.
func (c *Checkpoint) cut(ctx context.Context, r io.Reader, s Segment, empty <-chan []byte, full chan<- piece) error {
	for done := int64(0); done < s.N; {
		var buf []byte
		select {
		case buf = <-empty:
		case <-ctx.Done():
			return ctx.Err()
		}
		p := piece{s.Tensor, s.At + done, buf[:min(int64(len(buf)), s.N-done)]}
		if _, err := io.ReadFull(r, p.data); err != nil {
			return c.readError(s, err)
		}
		if err := c.checkFinite(s, p); err != nil {
			return err
		}
		select {
		case full <- p:
		case <-ctx.Done():
			return ctx.Err()
		}
		done += int64(len(p.data))
	}
	return nil
}

// ReadAt reads len(p) bytes of a tensor from off on, which is where an element begins, and checks them as Load does. Of a packed
// model it reads the chunks that hold them.
func (c *Checkpoint) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	t, err := c.find(name)
	if err != nil {
		return err
	}
	if off < 0 || off > c.tensors[t].Bytes()-int64(len(p)) {
		return fmt.Errorf("checkpoint: bytes %d to %d of tensor %q: it has %d", off, off+int64(len(p)), name, c.tensors[t].Bytes())
	}
	var within []Segment
	for _, s := range c.segments(t) {
		from, to := max(off, s.At), min(off+int64(len(p)), s.At+s.N)
		if from < to {
			within = append(within, Segment{t, from, s.File, s.Off + from - s.At, to - from})
		}
	}
	return c.read(ctx, within, func(r io.Reader, s Segment) error {
		q := p[s.At-off:][:s.N]
		if _, err := io.ReadFull(r, q); err != nil {
			return c.readError(s, err)
		}
		return c.checkFinite(s, piece{t, s.At, q})
	})
}

// read opens what holds the segments and calls take for each of them, with a reader that is at its beginning. What follows each
// other in a file is read as one range of it.
func (c *Checkpoint) read(ctx context.Context, segments []Segment, take func(r io.Reader, s Segment) error) error {
	var names []string
	for i, s := range segments {
		if i == 0 || s.File != segments[i-1].File {
			names = append(names, c.d.Files[s.File])
		}
	}
	open, stop := c.d.Source.ahead(ctx, names)
	defer stop()
	for len(segments) > 0 {
		n, bytes := 1, segments[0].N
		for n < len(segments) && segments[n].File == segments[0].File && segments[n].Off == segments[0].Off+bytes {
			bytes += segments[n].N
			n++
		}
		r, err := open(ctx, c.d.Files[segments[0].File], segments[0].Off, bytes)
		if err != nil {
			return err
		}
		for _, s := range segments[:n] {
			if err = take(r, s); err != nil {
				break
			}
		}
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		segments = segments[n:]
	}
	return nil
}

// checkFinite refuses NaN and infinities in a piece of s.
func (c *Checkpoint) checkFinite(s Segment, p piece) error {
	t := c.tensors[p.tensor]
	if i := firstNaN(t, p.data); i >= 0 {
		element := (p.at + int64(i)) / int64(t.DType.Bytes())
		return fmt.Errorf("checkpoint: %s: tensor %q has a NaN or infinity at element %d: the file is damaged, download it again", c.d.Files[s.File], t.Name, element)
	}
	return nil
}

func (c *Checkpoint) readError(s Segment, err error) error {
	file, name := c.d.Files[s.File], c.tensors[s.Tensor].Name
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("checkpoint: %s: ends inside tensor %q: the file was changed after it was opened", file, name)
	}
	return fmt.Errorf("checkpoint: %s: tensor %q: %w", file, name, err)
}

// Sized is a slice of n bytes, in buf's memory if that suffices.
func Sized(buf []byte, n int64) []byte {
	if int64(cap(buf)) >= n {
		return buf[:n]
	}
	return make([]byte, n)
}

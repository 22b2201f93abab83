package weights

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"gossamer/runtime/gptoss"
)

// PieceBytes is the size of the pieces in which Load delivers tensors; a tensor's last piece may be shorter.
const PieceBytes = 16 << 20

// Sink takes the weights of a model as they arrive.
type Sink interface {
	// Put takes the bytes of t from off to off+len(p). The pieces of a tensor arrive in order and without gaps, tensors in any
	// order but not interleaved. p is at most PieceBytes long, a multiple of 16 except at a tensor's end, and valid only
	// during the call. Put is never called concurrently.
	Put(ctx context.Context, t gptoss.TensorSpec, off int64, p []byte) error
}

// Progress says how far loading is.
type Progress struct {
	Phase      string // what is being done: "weights"
	BytesDone  int64
	BytesTotal int64
}

// Load streams every tensor of the model into sink, in the order of the files, and calls progress, if not nil, after each
// piece. Two pieces are in memory at a time, one being read while the other is taken. A NaN or an infinity in the weights is
// an error that names the tensor and the element (the search runs at memory speed). Load returns ctx's error between pieces once ctx is cancelled.
func (c *Checkpoint) Load(ctx context.Context, sink Sink, progress func(Progress)) error {
	order := slices.Clone(c.tensors)
	slices.SortStableFunc(order, func(a, b located) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.off, b.off))
	})
	done := Progress{Phase: "weights"}
	for _, t := range order {
		done.BytesTotal += t.Bytes()
	}

	ctx, cancel := context.WithCancel(ctx)
	full := make(chan piece)
	empty := make(chan []byte, 2)
	for range cap(empty) {
		empty <- make([]byte, min(PieceBytes, done.BytesTotal))
	}
	var readErr error // of the reading goroutine; valid once full is closed
	go func() {
		defer close(full)
		readErr = c.read(ctx, order, empty, full)
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
		if err := sink.Put(ctx, p.t.TensorSpec, p.off, p.data); err != nil {
			return err
		}
		done.BytesDone += int64(len(p.data))
		if progress != nil {
			progress(done)
		}
		empty <- p.data[:cap(p.data)]
	}
	return readErr
}

// piece is part of a tensor.
type piece struct {
	t    located
	off  int64 // in the tensor
	data []byte
}

// read cuts tensors into pieces. Tensors that follow each other in a file are read as one range of the source.
func (c *Checkpoint) read(ctx context.Context, order []located, empty <-chan []byte, full chan<- piece) error {
	for len(order) > 0 {
		run := 1
		for run < len(order) && order[run].file == order[0].file && order[run].off == order[run-1].off+order[run-1].Bytes() {
			run++
		}
		if err := c.readRun(ctx, order[:run], empty, full); err != nil {
			return err
		}
		order = order[run:]
	}
	return nil
}

func (c *Checkpoint) readRun(ctx context.Context, run []located, empty <-chan []byte, full chan<- piece) (err error) {
	first, last := run[0], run[len(run)-1]
	r, err := c.src.Open(ctx, first.file, first.off, last.off+last.Bytes()-first.off)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, t := range run {
		for off := int64(0); off < t.Bytes(); {
			var buf []byte
			select {
			case buf = <-empty:
			case <-ctx.Done():
				return ctx.Err()
			}
			p := piece{t, off, buf[:min(int64(len(buf)), t.Bytes()-off)]}
			if err := fill(r, p); err != nil {
				return err
			}
			select {
			case full <- p:
			case <-ctx.Done():
				return ctx.Err()
			}
			off += int64(len(p.data))
		}
	}
	return nil
}

// fill reads a piece's bytes and checks them.
func fill(r io.Reader, p piece) error {
	if _, err := io.ReadFull(r, p.data); err != nil {
		return readError(p.t, err)
	}
	if i := firstNaN(p.t.TensorSpec, p.data); i >= 0 {
		element := (p.off + int64(i)) / int64(p.t.DType.Bytes())
		return fmt.Errorf("weights: %s: tensor %q has a NaN or infinity at element %d: the file is damaged, download it again", p.t.file, p.t.Name, element)
	}
	return nil
}

func readError(t located, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("weights: %s: ends inside tensor %q: the file was changed after it was opened", t.file, t.Name)
	}
	return fmt.Errorf("weights: %s: tensor %q: %w", t.file, t.Name, err)
}

// ReadTensor reads one tensor whole, unchecked for NaN. name is the Hugging Face name, whatever the layout.
func (c *Checkpoint) ReadTensor(ctx context.Context, name string) (data []byte, err error) {
	i := slices.IndexFunc(c.tensors, func(t located) bool { return t.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("weights: the model has no tensor %q", name)
	}
	t := c.tensors[i]
	r, err := c.src.Open(ctx, t.file, t.off, t.Bytes())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data = make([]byte, t.Bytes())
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, readError(t, err)
	}
	return data, nil
}

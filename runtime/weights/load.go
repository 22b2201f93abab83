package weights

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"gossamer/runtime/gptoss"
)

// PieceBytes is the size of the pieces in which Load delivers tensors; the last piece of a segment may be shorter.
const PieceBytes = 16 << 20

// Sink takes the weights of a model as they arrive.
type Sink interface {
	// Put takes the bytes of t from off to off+len(p). The pieces of a tensor arrive in order and without gaps; those of several
	// tensors may alternate, because a packed model keeps what belongs to one expert together. p is at most PieceBytes long, a
	// multiple of 16 except at a tensor's end, and valid only during the call. Put is never called concurrently.
	Put(ctx context.Context, t gptoss.TensorSpec, off int64, p []byte) error
}

// Phases of work, as Progress names them.
const (
	PhaseWeights  = "weights"  // bytes go from the disk, or out of the program, to where they are used
	PhaseDownload = "download" // the same, and some of them come from a server first
	PhasePack     = "pack"     // tensors become chunks
	PhaseVerify   = "verify"   // chunks are compared with their hashes
)

// Progress says how far a long piece of work is.
type Progress struct {
	Phase      string
	BytesDone  int64
	BytesTotal int64
	Rate       float64       // bytes per second, recently; 0 if not yet known
	ETA        time.Duration // until the end at this rate; 0 if not yet known
}

// meter fills in rates. Its zero value is ready once Progress is set.
type meter struct {
	Progress
	last  time.Time
	bytes int64 // since last
}

// rateTime is how far back a rate looks: the weight of older bytes falls to 1/e.
const rateTime = 5 * time.Second

// add counts n bytes and calls report, if not nil.
func (m *meter) add(n int64, report func(Progress)) {
	m.BytesDone += n
	if report == nil {
		return
	}
	m.bytes += n
	now := time.Now()
	if m.last.IsZero() {
		m.last = now
	} else if d := now.Sub(m.last); d > rateTime/20 {
		rate := float64(m.bytes) / d.Seconds()
		if m.Rate > 0 {
			rate = m.Rate + (rate-m.Rate)*(1-math.Exp(-d.Seconds()/rateTime.Seconds()))
		}
		m.last, m.bytes, m.Rate = now, 0, rate
	}
	if m.Rate > 0 {
		m.ETA = time.Duration(float64(m.BytesTotal-m.BytesDone) / m.Rate * float64(time.Second)).Round(time.Second)
	}
	report(m.Progress)
}

// part is a piece of work for the reader: a segment of a tensor.
type part struct {
	segment
	t  *located
	at int64 // of the segment in the tensor
}

// parts cuts tensors into their segments, in the order of the files.
func parts(tensors []located) []part {
	var ps []part
	for i := range tensors {
		at := int64(0)
		for _, s := range tensors[i].segments {
			ps = append(ps, part{s, &tensors[i], at})
			at += s.n
		}
	}
	slices.SortStableFunc(ps, func(a, b part) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.off, b.off)) })
	return ps
}

// reader is what parts are read from: the checkpoint's source, or one that reads ahead.
func (c *Checkpoint) reader(ctx context.Context, ps []part) (src Source, stop func()) {
	ahead, ok := c.src.(readAhead)
	if !ok {
		return c.src, func() {}
	}
	var names []string
	for i, p := range ps {
		if i == 0 || p.file != ps[i-1].file {
			names = append(names, c.files[p.file])
		}
	}
	return ahead.ahead(ctx, names)
}

// readAhead is a Source that works ahead if it knows what comes.
type readAhead interface {
	// ahead returns a Source for the files of these names, to be opened in this order, each any number of times before the next.
	// stop ends the work ahead and waits for its end.
	ahead(ctx context.Context, names []string) (src Source, stop func())
}

// Load streams every tensor of the model into sink, in the order of the files, and calls progress, if not nil, after each
// piece. Two pieces are in memory at a time, one being read while the other is taken; of a packed model, also a few chunks. A
// NaN or an infinity in the weights is an error that names the tensor and the element (the search runs at memory speed). Load
// returns ctx's error between pieces once ctx is cancelled.
func (c *Checkpoint) Load(ctx context.Context, sink Sink, progress func(Progress)) error {
	if src, ok := c.src.(mover); ok {
		if placer, ok := sink.(Placer); ok {
			return src.move(ctx, c, placer, progress)
		}
	}
	ps := parts(c.tensors)
	m := meter{Progress: Progress{Phase: c.phase()}}
	for _, p := range ps {
		m.BytesTotal += p.n
	}

	ctx, cancel := context.WithCancel(ctx)
	full := make(chan piece)
	empty := make(chan []byte, 2)
	for range cap(empty) {
		empty <- make([]byte, min(PieceBytes, m.BytesTotal))
	}
	var readErr error // of the reading goroutine; valid once full is closed
	go func() {
		defer close(full)
		src, stop := c.reader(ctx, ps)
		defer stop()
		readErr = c.read(ctx, src, ps, empty, full)
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
		m.add(int64(len(p.data)), progress)
		empty <- p.data[:cap(p.data)]
	}
	return readErr
}

// piece is part of a tensor's segment.
type piece struct {
	t    *located
	off  int64 // in the tensor
	data []byte
}

// run returns how many of the first parts follow each other in a file, and so can be read as one range of it.
func run(ps []part) int {
	n := 1
	for n < len(ps) && ps[n].file == ps[0].file && ps[n].off == ps[n-1].off+ps[n-1].n {
		n++
	}
	return n
}

// read cuts parts into pieces.
func (c *Checkpoint) read(ctx context.Context, src Source, ps []part, empty <-chan []byte, full chan<- piece) error {
	for len(ps) > 0 {
		n := run(ps)
		if err := c.readRun(ctx, src, ps[:n], empty, full); err != nil {
			return err
		}
		ps = ps[n:]
	}
	return nil
}

func (c *Checkpoint) readRun(ctx context.Context, src Source, ps []part, empty <-chan []byte, full chan<- piece) (err error) {
	r, err := c.openRun(ctx, src, ps)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, s := range ps {
		for off := int64(0); off < s.n; {
			var buf []byte
			select {
			case buf = <-empty:
			case <-ctx.Done():
				return ctx.Err()
			}
			p := piece{s.t, s.at + off, buf[:min(int64(len(buf)), s.n-off)]}
			if _, err := io.ReadFull(r, p.data); err != nil {
				return c.readError(s, err)
			}
			if err := c.checkFinite(s, p.t.TensorSpec, p.off, p.data); err != nil {
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

func (c *Checkpoint) openRun(ctx context.Context, src Source, ps []part) (io.ReadCloser, error) {
	first, last := ps[0], ps[len(ps)-1]
	return src.Open(ctx, c.files[first.file], first.off, last.off+last.n-first.off)
}

// checkFinite refuses NaN and infinities in the bytes p of t from off on.
func (c *Checkpoint) checkFinite(s part, t gptoss.TensorSpec, off int64, p []byte) error {
	if i := firstNaN(t, p); i >= 0 {
		element := (off + int64(i)) / int64(t.DType.Bytes())
		return fmt.Errorf("weights: %s: tensor %q has a NaN or infinity at element %d: the file is damaged, download it again", c.files[s.file], t.Name, element)
	}
	return nil
}

func (c *Checkpoint) readError(s part, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("weights: %s: ends inside tensor %q: the file was changed after it was opened", c.files[s.file], s.t.Name)
	}
	return fmt.Errorf("weights: %s: tensor %q: %w", c.files[s.file], s.t.Name, err)
}

// ReadTensor reads one tensor whole, unchecked for NaN. name is the Hugging Face name, whatever the layout.
func (c *Checkpoint) ReadTensor(ctx context.Context, name string) ([]byte, error) {
	t, err := c.find(name)
	if err != nil {
		return nil, err
	}
	data := make([]byte, t.Bytes())
	return data, c.readInto(ctx, c.cut(nil, t, 0, int64(len(data))), data)
}

// ReadAt reads len(p) bytes of a tensor from off on, unchecked for NaN. Of a packed model it reads the chunks that hold them.
func (c *Checkpoint) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	t, err := c.find(name)
	if err != nil {
		return err
	}
	if off < 0 || off > t.Bytes()-int64(len(p)) {
		return fmt.Errorf("weights: bytes %d to %d of tensor %q: it has %d", off, off+int64(len(p)), name, t.Bytes())
	}
	return c.readInto(ctx, c.cut(nil, t, off, int64(len(p))), p)
}

func (c *Checkpoint) find(name string) (*located, error) {
	i := slices.IndexFunc(c.tensors, func(t located) bool { return t.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("weights: the model has no tensor %q", name)
	}
	return &c.tensors[i], nil
}

// cut appends the parts that hold n bytes of t from off on.
func (c *Checkpoint) cut(ps []part, t *located, off, n int64) []part {
	at := int64(0)
	for _, s := range t.segments {
		from, to := max(off, at), min(off+n, at+s.n)
		if from < to {
			ps = append(ps, part{segment{s.file, s.off + from - at, to - from}, t, from})
		}
		at += s.n
	}
	return ps
}

// readInto fills p with the bytes of parts, one after the other.
func (c *Checkpoint) readInto(ctx context.Context, ps []part, p []byte) error {
	src, stop := c.reader(ctx, ps)
	defer stop()
	for len(ps) > 0 {
		n := run(ps)
		if err := c.readRunInto(ctx, src, ps[:n], &p); err != nil {
			return err
		}
		ps = ps[n:]
	}
	return nil
}

func (c *Checkpoint) readRunInto(ctx context.Context, src Source, ps []part, p *[]byte) (err error) {
	r, err := c.openRun(ctx, src, ps)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, s := range ps {
		if _, err := io.ReadFull(r, (*p)[:s.n]); err != nil {
			return c.readError(s, err)
		}
		*p = (*p)[s.n:]
	}
	return nil
}

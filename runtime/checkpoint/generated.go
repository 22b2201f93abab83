package checkpoint

import (
	"context"
	"io"

	"gossamer/runtime/gptoss"
)

// Generated is a checkpoint without files: fill writes the bytes of tensor t from off on to p. It is asked for them in order, in
// pieces of whatever size the reader likes.
func Generated(config *gptoss.Config, fill func(p []byte, t gptoss.TensorSpec, off int64)) *Checkpoint {
	tensors := map[string]gptoss.TensorSpec{}
	d := Description{Config: config} // files are tensors
	for i, t := range config.Tensors() {
		tensors[t.Name] = t
		d.Files = append(d.Files, t.Name)
		d.Segments = append(d.Segments, Segment{Tensor: i, File: i, N: t.Bytes()})
	}
	d.Source = Source{Open: func(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return &generatedReader{fill, tensors[name], off, off + n}, nil
	}}
	return New(d)
}

type generatedReader struct {
	fill     func(p []byte, t gptoss.TensorSpec, off int64)
	t        gptoss.TensorSpec
	off, end int64
}

func (r *generatedReader) Read(p []byte) (int, error) {
	if r.off == r.end {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.end-r.off)]
	r.fill(p, r.t, r.off)
	r.off += int64(len(p))
	return len(p), nil
}

func (r *generatedReader) Close() error { return nil }

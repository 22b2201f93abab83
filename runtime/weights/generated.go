package weights

import (
	"context"
	"io"

	"gossamer/runtime/gptoss"
)

// Generated is a checkpoint without files: fill writes the bytes of tensor t from off on to p. It is asked for them in order, in
// pieces of whatever size the reader likes.
func Generated(config *gptoss.Config, fill func(p []byte, t gptoss.TensorSpec, off int64)) *Checkpoint {
	src := generated{map[string]gptoss.TensorSpec{}, fill}
	c := &Checkpoint{config: config, src: src}
	for i, t := range config.Tensors() {
		src.tensors[t.Name] = t
		c.files = append(c.files, t.Name)
		c.tensors = append(c.tensors, located{t, []segment{{i, 0, t.Bytes()}}})
	}
	return c
}

// generated is the Source of Generated; files are tensors.
type generated struct {
	tensors map[string]gptoss.TensorSpec
	fill    func(p []byte, t gptoss.TensorSpec, off int64)
}

func (g generated) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &generatedReader{g.fill, g.tensors[name], off, off + n}, nil
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

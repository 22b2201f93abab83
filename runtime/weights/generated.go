package weights

import (
	"bytes"
	"context"
	"io"

	"gossamer/runtime/gptoss"
)

// Generated is a checkpoint without files: fill writes the bytes of tensor t to p, whole. It is for small models, because tensors
// are made again for each read.
func Generated(config *gptoss.Config, fill func(p []byte, t gptoss.TensorSpec)) *Checkpoint {
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
	fill    func([]byte, gptoss.TensorSpec)
}

func (g generated) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := g.tensors[name]
	p := make([]byte, t.Bytes())
	g.fill(p, t)
	return io.NopCloser(bytes.NewReader(p[off : off+n])), nil
}

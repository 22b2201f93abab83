package weights

import (
	"gossamer/runtime/gptoss"
)

// item is n bytes of a tensor from off on.
type item struct {
	tensor int // index
	off, n int64
}

// isExpert says that a tensor's first dimension is the expert.
func isExpert(k gptoss.Kind) bool { return k >= gptoss.GateUpBlocks && k <= gptoss.DownBias }

// unit is the smallest part of a tensor at whose multiples it may be cut: an expert, a row, or several rows where one is no
// multiple of 16 bytes. A vector is never cut.
func unit(t gptoss.TensorSpec) int64 {
	switch {
	case isExpert(t.Kind):
		if n := t.Bytes() / int64(t.Shape[0]); n <= MaxChunkBytes {
			return n
		}
		return rows(t)
	case len(t.Shape) == 1:
		return t.Bytes()
	}
	return rows(t)
}

// rows is the size of the fewest whole rows that are a multiple of 16 bytes.
func rows(t gptoss.TensorSpec) int64 {
	n := int64(t.DType.Bytes())
	for _, d := range t.Shape[min(2, len(t.Shape)-1):] { // of experts, [expert][row]...
		n *= int64(d)
	}
	if !isExpert(t.Kind) {
		n = int64(t.DType.Bytes()) * int64(t.Shape[1])
	}
	r := n
	for r%16 != 0 {
		r += n
	}
	return r
}

// layout divides a model into chunks, which depend on its configuration alone. They follow the forward pass. A layer's attention
// and router begin a chunk, and so do its experts; what belongs to one expert stays together as long as it fits. Tensors stay
// whole if they fit; larger ones are cut into nearly equal blocks of rows.
func layout(c *gptoss.Config) [][]item {
	tensors := c.Tensors()
	var l layouter
	for i := 0; i < len(tensors); {
		t := tensors[i]
		if !isExpert(t.Kind) {
			l.add(tensors, item{i, 0, t.Bytes()})
			i++
			continue
		}
		l.flush()
		count := 1 // tensors of the layer's experts
		for isExpert(tensors[i+count].Kind) {
			count++
		}
		for e := range int64(c.Experts) {
			var expert []item
			for j := i; j < i+count; j++ {
				n := tensors[j].Bytes() / int64(c.Experts)
				expert = append(expert, item{j, e * n, n})
			}
			l.add(tensors, expert...)
		}
		l.flush()
		i += count
	}
	l.flush()
	return l.chunks
}

type layouter struct {
	chunks  [][]item
	current []item
	bytes   int64 // of current
}

func (l *layouter) flush() {
	if len(l.current) > 0 {
		l.chunks = append(l.chunks, l.current)
	}
	l.current, l.bytes = nil, 0
}

// add puts items into the same chunk if one can hold them.
func (l *layouter) add(tensors []gptoss.TensorSpec, items ...item) {
	size := int64(0)
	for _, it := range items {
		size += it.n
	}
	if l.bytes+size > MaxChunkBytes {
		l.flush()
	}
	if size <= MaxChunkBytes {
		l.current = append(l.current, items...)
		l.bytes += size
		return
	}
	for _, it := range items {
		if len(items) > 1 && it.n <= MaxChunkBytes {
			l.add(tensors, it)
			continue
		}
		u := rows(tensors[it.tensor])
		blocks := (it.n + MaxChunkBytes/u*u - 1) / (MaxChunkBytes / u * u)
		n := (it.n/u + blocks - 1) / blocks * u
		for off := int64(0); off < it.n; off += n {
			l.add(tensors, item{it.tensor, it.off + off, min(n, it.n-off)})
		}
	}
}

// ranges divides the files of a checkpoint into chunks where they lie: byte ranges without gaps, which end at experts and rows.
// The chunks have the files' names as URLs, and no hashes.
func ranges(files []string, tensors []located) ([]Chunk, []located) {
	var chunks []Chunk
	placed := make([]located, len(tensors))
	index := make(map[string]int, len(tensors))
	for i, t := range tensors {
		placed[i].TensorSpec = t.TensorSpec
		index[t.Name] = i
	}
	file := -1
	for _, p := range parts(tensors) {
		u := unit(p.t.TensorSpec)
		for done := int64(0); done < p.n; {
			if c := len(chunks) - 1; file != p.file || chunks[c].start()+chunks[c].Bytes != p.off+done || chunks[c].Bytes+min(u, p.n-done) > MaxChunkBytes {
				off := p.off + done
				chunks = append(chunks, Chunk{URL: files[p.file], Offset: &off})
				file = p.file
			}
			c := &chunks[len(chunks)-1]
			n := min(p.n-done, max(1, (MaxChunkBytes-c.Bytes)/u)*u)
			t := &placed[index[p.t.Name]]
			t.segments = append(t.segments, segment{len(chunks) - 1, c.Bytes, n})
			c.Bytes += n
			done += n
		}
	}
	return chunks, placed
}

package packed

import (
	"cmp"
	"slices"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
)

// isExpert says that a tensor's first dimension is the expert.
func isExpert(k gptoss.Kind) bool { return k >= gptoss.GateUpBlocks && k <= gptoss.DownBias }

// unit is the smallest part of a tensor at whose multiples it may be cut: an expert, a row, or several rows where one is no
// multiple of 16 bytes. A vector is never cut.
func unit(t gptoss.TensorSpec) int64 {
	switch {
	case isExpert(t.Kind):
		if n := t.Bytes() / int64(t.Shape[0]); n <= maxChunkBytes {
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

// layout divides a model into chunks, which depend on its configuration alone, and returns the segments of each chunk, in the order
// of their bytes. They follow the forward pass. A layer's attention and router begin a chunk, and so do its experts; what belongs to
// one expert stays together as long as it fits. Tensors stay whole if they fit; larger ones are cut into nearly equal blocks of rows.
func layout(c *gptoss.Config) [][]checkpoint.Segment {
	l := layouter{tensors: c.Tensors()}
	for i := 0; i < len(l.tensors); {
		t := l.tensors[i]
		if !isExpert(t.Kind) {
			l.add(checkpoint.Segment{Tensor: i, N: t.Bytes()})
			i++
			continue
		}
		l.flush()
		count := 1 // tensors of the layer's experts
		for isExpert(l.tensors[i+count].Kind) {
			count++
		}
		for e := range int64(c.Experts) {
			var expert []checkpoint.Segment
			for j := i; j < i+count; j++ {
				n := l.tensors[j].Bytes() / int64(c.Experts)
				expert = append(expert, checkpoint.Segment{Tensor: j, At: e * n, N: n})
			}
			l.add(expert...)
		}
		l.flush()
		i += count
	}
	l.flush()
	return l.chunks
}

type layouter struct {
	tensors []gptoss.TensorSpec
	chunks  [][]checkpoint.Segment
	current []checkpoint.Segment
	bytes   int64 // of current
}

func (l *layouter) flush() {
	if len(l.current) > 0 {
		l.chunks = append(l.chunks, l.current)
	}
	l.current, l.bytes = nil, 0
}

// add puts segments into the same chunk if one can hold them.
func (l *layouter) add(segments ...checkpoint.Segment) {
	size := int64(0)
	for _, s := range segments {
		size += s.N
	}
	if l.bytes+size > maxChunkBytes {
		l.flush()
	}
	if size <= maxChunkBytes {
		for _, s := range segments {
			s.File, s.Off = len(l.chunks), l.bytes
			l.current = append(l.current, s)
			l.bytes += s.N
		}
		return
	}
	for _, s := range segments {
		if len(segments) > 1 && s.N <= maxChunkBytes {
			l.add(s)
			continue
		}
		u := rows(l.tensors[s.Tensor])
		blocks := (s.N + maxChunkBytes/u*u - 1) / (maxChunkBytes / u * u)
		n := (s.N/u + blocks - 1) / blocks * u
		for off := int64(0); off < s.N; off += n {
			l.add(checkpoint.Segment{Tensor: s.Tensor, At: s.At + off, N: min(n, s.N-off)})
		}
	}
}

// inPlace divides the files of a checkpoint into chunks where they lie: byte ranges without gaps, which end at experts and rows.
// The chunks have the files' names as URLs, and no hashes. segments are those of the tensors in the chunks, tensors in order.
func inPlace(d checkpoint.Description) (chunks []Chunk, segments []checkpoint.Segment) {
	tensors := d.Config.Tensors()
	file := -1
	for _, s := range checkpoint.ByFile(d.Segments) {
		u := unit(tensors[s.Tensor])
		for done := int64(0); done < s.N; {
			if c := len(chunks) - 1; file != s.File || chunks[c].Start()+chunks[c].Bytes != s.Off+done || chunks[c].Bytes+min(u, s.N-done) > maxChunkBytes {
				off := s.Off + done
				chunks = append(chunks, Chunk{URL: d.Files[s.File], Offset: &off})
				file = s.File
			}
			c := &chunks[len(chunks)-1]
			n := min(s.N-done, max(1, (maxChunkBytes-c.Bytes)/u)*u)
			segments = append(segments, checkpoint.Segment{Tensor: s.Tensor, At: s.At + done, File: len(chunks) - 1, Off: c.Bytes, N: n})
			c.Bytes += n
			done += n
		}
	}
	slices.SortFunc(segments, func(a, b checkpoint.Segment) int {
		return cmp.Or(cmp.Compare(a.Tensor, b.Tensor), cmp.Compare(a.At, b.At))
	})
	return chunks, segments
}

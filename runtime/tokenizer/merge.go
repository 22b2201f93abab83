package tokenizer

import (
	"context"
	"math"
	"slices"
)

// A window is what is merged at a time of a long piece, so small that all of it stays in a processor's cache. It begins in the one before,
// by more than the longest token.
const (
	windowBytes  = 8192
	overlapBytes = 256
)

// merger joins the bytes of a piece into tokens. It keeps its memory from piece to piece.
//
// The parts of the piece are named by where they begin: [n] for a piece of n bytes. Merging always takes the adjacent pair of
// the lowest rank, the leftmost of equals. The pairs wait in a heap, so that a piece of n bytes takes time n log n; tiktoken's
// plain loop (and tiktoken-go's) looks at all pairs for every merge.
type merger struct {
	next []int32  // [n] where the part after this one begins, n at the end
	prev []int32  // [n] where the part before this one begins, -1 at the start
	rank []uint32 // [n] the rank of this part joined with the next, none if that is no token or this no longer a part
	heap pairHeap

	rest rest
}

const none = math.MaxUint32

// long appends the tokens of a piece of any length, window by window: of size bytes, of which overlap are of the window before. Between
// windows it ends, with its error, if ctx has.
//
// No merge ever crosses a place that tokens meet at in the end. So what is merged on both sides of it is what would be merged without the
// other side, and what is left and right of two neighbours does not matter to whether they stay apart: two windows that yield the same two
// tokens at one place are continued by each other there. Where they don't yield any such, the overlap was too small; it is doubled, and the
// windows with it, so that the time stays in proportion to that of one merge.
func (m *merger) long(ctx context.Context, t *Tokenizer, tokens []int32, piece string, size, overlap int) ([]int32, error) {
	first := len(tokens)
	end := min(size, len(piece)) // tokens are those of piece[:end]
	tokens = m.merge(t, tokens, piece[:end])
	var window []int32
	for end < len(piece) {
		if err := m.rest.pause(ctx); err != nil {
			return nil, err
		}
		back, begin := len(tokens), end
		for back > first && end-begin < overlap {
			back--
			begin -= len(t.Bytes(tokens[back]))
		}
		next := min(end+size, len(piece))
		window = m.merge(t, window[:0], piece[begin:next])
		keep, skip, ok := t.meet(tokens[back:], window)
		if back == first {
			keep, skip, ok = 0, 0, true
		}
		if !ok {
			size, overlap = 2*size, 2*overlap
			continue
		}
		tokens, end = append(tokens[:back+keep], window[skip:]...), next
	}
	return tokens, nil
}

// meet finds two neighbours that a and b, the tokens of texts of which one begins with the other, have at the same place. a[:keep] and
// b[skip:] are then the tokens of the longer one.
func (t *Tokenizer) meet(a, b []int32) (keep, skip int, ok bool) {
	place := 0 // bytes of a[:keep] less those of b[:skip]
	for keep+1 < len(a) && skip+1 < len(b) {
		switch {
		case place == 0 && a[keep] == b[skip] && a[keep+1] == b[skip+1]:
			return keep, skip, true
		case place <= 0:
			place += len(t.Bytes(a[keep]))
			keep++
		default:
			place -= len(t.Bytes(b[skip]))
			skip++
		}
	}
	return 0, 0, false
}

// merge appends the tokens of piece.
func (m *merger) merge(t *Tokenizer, tokens []int32, piece string) []int32 {
	n := len(piece)
	m.next = slices.Grow(m.next[:0], n)
	m.prev = slices.Grow(m.prev[:0], n)
	m.rank = slices.Grow(m.rank[:0], n)
	m.heap = slices.Grow(m.heap[:0], n)
	for i := range int32(n) {
		m.next = append(m.next, i+1)
		m.prev = append(m.prev, i-1)
		m.rank = append(m.rank, none)
	}
	for i := range int32(n) {
		m.rate(t, piece, i)
	}
	for len(m.heap) > 0 {
		rank, i := m.heap.pop()
		if m.rank[i] != rank {
			continue // an older pair; since then one of its parts was joined with another
		}
		j := m.next[i]
		m.rank[j] = none
		m.next[i] = m.next[j]
		if int(m.next[i]) < n {
			m.prev[m.next[i]] = i
		}
		m.rate(t, piece, i)
		if m.prev[i] >= 0 {
			m.rate(t, piece, m.prev[i])
		}
	}
	for i := int32(0); int(i) < n; i = m.next[i] {
		id, _ := t.lookup(piece[i:m.next[i]]) // single bytes and whatever was merged are tokens
		tokens = append(tokens, id)
	}
	return tokens
}

// rate finds the rank of the pair that begins with part i.
func (m *merger) rate(t *Tokenizer, piece string, i int32) {
	m.rank[i] = none
	j := m.next[i]
	if int(j) == len(piece) {
		return
	}
	if id, ok := t.lookup(piece[i:m.next[j]]); ok {
		m.rank[i] = uint32(id)
		m.heap.push(uint32(id), i)
	}
}

// pairHeap is a binary heap of pairs, rank in the high half and place in the low one: the smallest is to be merged first.
// container/heap would box every element.
type pairHeap []uint64

func (h *pairHeap) push(rank uint32, i int32) {
	s := append(*h, uint64(rank)<<32|uint64(i))
	for c := len(s) - 1; c > 0; {
		p := (c - 1) / 2
		if s[p] <= s[c] {
			break
		}
		s[p], s[c] = s[c], s[p]
		c = p
	}
	*h = s
}

func (h *pairHeap) pop() (rank uint32, i int32) {
	s := *h
	top := s[0]
	end := len(s) - 1
	s[0] = s[end]
	s = s[:end]
	for p := 0; ; {
		c := 2*p + 1
		if c >= end {
			break
		}
		if c+1 < end && s[c+1] < s[c] {
			c++
		}
		if s[p] <= s[c] {
			break
		}
		s[p], s[c] = s[c], s[p]
		p = c
	}
	*h = s
	return uint32(top >> 32), int32(uint32(top))
}

package tokenizer

import (
	"math"
	"slices"
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
}

const none = math.MaxUint32

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

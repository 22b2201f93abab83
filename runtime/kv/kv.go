// Package kv is the page allocator of the key/value cache: it says which page of the device's arenas holds which positions of which
// sequence. It never touches the device; the model executes the copies that Reserve asks for.
//
// A page holds PageTokens positions of every layer of one class. Full-attention layers keep all pages of a sequence; sliding
// layers only those that the window still reaches. A sequence can therefore go back to an earlier length only where the sliding
// pages before it still exist: at its end, or at a resume point, which keeps them.
package kv

import (
	"errors"
	"fmt"
	"slices"
)

// PageTokens is the number of positions in a page.
const PageTokens = 128

// ErrFull is returned when an arena has no page left.
var ErrFull = errors.New("kv: the key/value cache is full")

// backtrack is the number of last positions that can be taken back at any time: a stop token, or what was chosen behind it. Their
// window is kept although no later token sees it.
const backtrack = 16

// none marks a table entry without a page.
const none = int32(-1)

// Cache divides the pages of the two arenas among sequences. It is not safe for concurrent use.
type Cache struct {
	window  int // keys that a sliding layer sees, the token itself included
	full    pool
	sliding pool
	// resumePoints of all sequences, least recently used first: the first one is dropped when sliding pages run out.
	resumePoints []*resumePoint
}

// New returns the page allocator for arenas of fullPages and slidingPages pages.
func New(window, fullPages, slidingPages int) *Cache {
	return &Cache{window: window, full: newPool(fullPages), sliding: newPool(slidingPages)}
}

// WindowPages is the largest number of sliding pages that a text holds on to, wherever it ends.
func WindowPages(window int) int { return (window-1+backtrack+PageTokens-1)/PageTokens + 1 }

// pool counts references to the pages of one arena.
type pool struct {
	free []int32 // stack; the next page is the last entry
	refs []int32 // [pages]
}

func newPool(n int) pool {
	p := pool{free: make([]int32, n), refs: make([]int32, n)}
	for i := range p.free {
		p.free[i] = int32(n - 1 - i)
	}
	return p
}

func (p *pool) get() int32 {
	id := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.refs[id] = 1
	return id
}

func (p *pool) retain(id int32) int32 {
	if id != none {
		p.refs[id]++
	}
	return id
}

func (p *pool) release(id int32) {
	if id == none {
		return
	}
	if p.refs[id]--; p.refs[id] == 0 {
		p.free = append(p.free, id)
	}
}

// resumePoint holds the sliding pages that position n needs. They serve earlier positions too, if their windows begin in the same
// pages.
type resumePoint struct {
	seq   *Sequence
	n     int
	exact int     // the pages hold the data of positions from here on
	first int     // index of pages[0] in the sequence's table
	pages []int32 // pages of positions n-window+1 .. n-1
}

// holds reports whether the pages are all that position n needs.
func (rp *resumePoint) holds(n int) bool {
	c := rp.seq.cache
	first, _ := c.windowPages(n)
	return n <= rp.n && first >= rp.first && c.windowStart(n) >= rp.exact
}

// Sequence is the page table of one text.
type Sequence struct {
	cache        *Cache
	n            int     // positions held
	full         []int32 // [ceil(n/PageTokens)] or more: pages of full layers
	sliding      []int32 // the same for sliding layers; none where the window has left
	exact        int     // sliding pages in the table hold the data of positions from here on (Rewind)
	resumePoints []*resumePoint
}

// Copy asks for the contents of one page to be copied, in every layer of its class, before the next write.
type Copy struct {
	Sliding  bool // which arena
	From, To int32
}

// NewSequence returns an empty sequence.
func (c *Cache) NewSequence() *Sequence { return &Sequence{cache: c} }

// Free is the number of pages of full layers that no sequence holds.
func (c *Cache) Free() int { return len(c.full.free) }

// Len is the number of positions held.
func (s *Sequence) Len() int { return s.n }

// Tables returns the page of each PageTokens positions in full and in sliding layers; -1 where there is none. The slices are
// the sequence's own and change with it.
func (s *Sequence) Tables() (full, sliding []int32) { return s.full, s.sliding }

// windowStart is the first position that a token at position n still sees in a sliding layer.
func (c *Cache) windowStart(n int) int { return max(0, n-c.window+1) }

// windowPages is the range of page indices, end excluded, that hold what a token at position n sees before itself.
func (c *Cache) windowPages(n int) (first, end int) {
	start := c.windowStart(n)
	if start >= n {
		return n / PageTokens, n / PageTokens
	}
	return start / PageTokens, (n + PageTokens - 1) / PageTokens
}

// Reserve makes positions Len to Len+n-1 writable and returns the page copies to execute first: pages that others share are
// replaced (copy on write). It fails with ErrFull and without any change if pages are missing.
func (s *Sequence) Reserve(n int) ([]Copy, error) { return s.reserve(n, true) }

// ReserveSliding is Reserve for the sliding layers alone, for a pass that rebuilds their state: the pages of full layers stand.
func (s *Sequence) ReserveSliding(n int) ([]Copy, error) { return s.reserve(n, false) }

func (s *Sequence) reserve(n int, full bool) ([]Copy, error) {
	if n <= 0 {
		return nil, nil
	}
	c := s.cache
	first, last := s.n/PageTokens, (s.n+n-1)/PageTokens
	if full {
		if need := c.full.missing(s.full, first, last); need > len(c.full.free) {
			return nil, fmt.Errorf("%w: full layers need %d pages, %d are free", ErrFull, need, len(c.full.free))
		}
	}
	for {
		need := c.sliding.missing(s.sliding, first, last)
		if need <= len(c.sliding.free) {
			break
		}
		if len(c.resumePoints) == 0 {
			return nil, fmt.Errorf("%w: sliding layers need %d pages, %d are free", ErrFull, need, len(c.sliding.free))
		}
		c.resumePoints[0].drop() // that frees pages, or leaves one to s alone
	}
	var copies []Copy
	s.sliding, copies = c.sliding.fill(s.sliding, first, last, s.n, true, copies)
	if full {
		s.full, copies = c.full.fill(s.full, first, last, s.n, false, copies)
	}
	return copies, nil
}

// missing counts the pages first..last of table that must be taken from the pool before they can be written.
func (p *pool) missing(table []int32, first, last int) int {
	need := 0
	for i := first; i <= last; i++ {
		if i >= len(table) || table[i] == none || p.refs[table[i]] > 1 {
			need++
		}
	}
	return need
}

// fill makes pages first..last of table exclusive, given that positions below n hold data.
func (p *pool) fill(table []int32, first, last, n int, sliding bool, copies []Copy) ([]int32, []Copy) {
	for i := first; i <= last; i++ {
		for len(table) <= i {
			table = append(table, none)
		}
		old := table[i]
		if old != none && p.refs[old] == 1 {
			continue
		}
		table[i] = p.get()
		if old != none {
			if i*PageTokens < n {
				copies = append(copies, Copy{Sliding: sliding, From: old, To: table[i]})
			}
			p.release(old)
		}
	}
	return table, copies
}

// Advance says that n reserved positions are written. Sliding pages that no later token sees are released.
func (s *Sequence) Advance(n int) {
	s.n += n
	s.releaseBefore(s.cache.windowStart(s.n-backtrack) / PageTokens)
}

func (s *Sequence) releaseBefore(page int) {
	for i := min(page, len(s.sliding)) - 1; i >= 0 && s.sliding[i] != none; i-- {
		s.cache.sliding.release(s.sliding[i])
		s.sliding[i] = none
	}
}

// MarkResume keeps the sliding pages of the present length, so that Truncate can come back to it. In the middle of a pass (Rewind) there is
// nothing to come back to.
func (s *Sequence) MarkResume() {
	c := s.cache
	if !s.resumable(s.n) {
		return
	}
	if rp := s.resumePointAt(s.n); rp != nil || s.n == 0 {
		c.use(rp)
		return
	}
	first, end := c.windowPages(s.n)
	rp := &resumePoint{seq: s, n: s.n, exact: s.exact, first: first}
	for _, id := range s.sliding[first:end] {
		rp.pages = append(rp.pages, c.sliding.retain(id))
	}
	s.resumePoints = append(s.resumePoints, rp)
	c.resumePoints = append(c.resumePoints, rp)
}

func (s *Sequence) resumePointAt(n int) *resumePoint {
	for _, rp := range s.resumePoints {
		if rp.n == n {
			return rp
		}
	}
	return nil
}

func (rp *resumePoint) drop() {
	for _, id := range rp.pages {
		rp.seq.cache.sliding.release(id)
	}
	same := func(o *resumePoint) bool { return o == rp }
	rp.seq.resumePoints = slices.DeleteFunc(rp.seq.resumePoints, same)
	rp.seq.cache.resumePoints = slices.DeleteFunc(rp.seq.cache.resumePoints, same)
}

// holding returns a resume point that can resume at n; nil if there is none.
func (s *Sequence) holding(n int) *resumePoint {
	for _, rp := range s.resumePoints {
		if rp.holds(n) {
			return rp
		}
	}
	return nil
}

// use makes rp the most recently used resume point.
func (c *Cache) use(rp *resumePoint) {
	if i := slices.Index(c.resumePoints, rp); i >= 0 {
		c.resumePoints = append(slices.Delete(c.resumePoints, i, i+1), rp)
	}
}

// resumable reports whether the sliding pages that position n needs are still in the table.
func (s *Sequence) resumable(n int) bool {
	if n > 0 && s.cache.windowStart(n) < s.exact {
		return false
	}
	first, end := s.cache.windowPages(n)
	for i := first; i < end; i++ {
		if i >= len(s.sliding) || s.sliding[i] == none {
			return false
		}
	}
	return true
}

// Resume returns the largest length, at most n, at which the sequence can continue at once.
func (s *Sequence) Resume(n int) int {
	n = min(n, s.n)
	if s.resumable(n) {
		return n
	}
	best := 0 // a shorter length needs earlier pages still, so only resume points are left
	for _, rp := range s.resumePoints {
		if m := min(n, rp.n); rp.holds(m) {
			best = max(best, m)
		}
	}
	return best
}

// Truncate keeps the first n positions, where n is a result of Resume.
func (s *Sequence) Truncate(n int) {
	c := s.cache
	rp := s.holding(n)
	c.use(rp)
	if !s.resumable(n) {
		if rp == nil {
			panic(fmt.Sprintf("kv: truncate to %d, which cannot be resumed", n))
		}
		s.dropSliding()
		for len(s.sliding) < rp.first+len(rp.pages) {
			s.sliding = append(s.sliding, none)
		}
		for i, id := range rp.pages {
			s.sliding[rp.first+i] = c.sliding.retain(id)
		}
		s.exact = rp.exact
	}
	pages := (n + PageTokens - 1) / PageTokens
	s.full = c.full.cut(s.full, pages)
	s.sliding = c.sliding.cut(s.sliding, pages)
	s.n, s.exact = n, min(s.exact, n)
	for _, rp := range slices.Clone(s.resumePoints) {
		if rp.n > n {
			rp.drop()
		}
	}
}

// Rewind moves the end back to start but keeps the pages of full layers for all positions below n, so that a pass over
// start..n-1 can rebuild the sliding layers (ReserveSliding, then Advance). Unless start is 0 the pass begins without a window,
// so its first positions are not those of the text: only the windows before n-1 and n are counted on.
func (s *Sequence) Rewind(start, n int) {
	s.dropSliding()
	s.full = s.cache.full.cut(s.full, (n+PageTokens-1)/PageTokens)
	s.sliding = s.sliding[:0]
	for range start / PageTokens {
		s.sliding = append(s.sliding, none)
	}
	s.n = start
	s.exact = 0
	if start > 0 {
		s.exact = s.cache.windowStart(n - 1)
	}
	for _, rp := range slices.Clone(s.resumePoints) {
		if rp.n > n {
			rp.drop()
		}
	}
}

func (s *Sequence) dropSliding() {
	for i, id := range s.sliding {
		s.cache.sliding.release(id)
		s.sliding[i] = none
	}
}

// cut releases the pages of table from index n on.
func (p *pool) cut(table []int32, n int) []int32 {
	for i := n; i < len(table); i++ {
		p.release(table[i])
	}
	return table[:min(n, len(table))]
}

// Rest lets go of the sliding pages that the next positions of s need, but for those of the present length, which become a resume point.
// Truncate or Rewind come before the next Reserve.
func (s *Sequence) Rest() {
	s.MarkResume()
	s.dropSliding()
}

// Fork returns a new sequence that shares all positions of s, and its resume points. Truncate or Rewind it to where it is to go on.
func (s *Sequence) Fork() *Sequence {
	c := s.cache
	f := c.NewSequence()
	f.n, f.exact = s.n, s.exact
	for _, id := range s.full {
		f.full = append(f.full, c.full.retain(id))
	}
	for _, id := range s.sliding {
		f.sliding = append(f.sliding, c.sliding.retain(id))
	}
	for _, rp := range s.resumePoints {
		own := &resumePoint{seq: f, n: rp.n, exact: rp.exact, first: rp.first}
		for _, id := range rp.pages {
			own.pages = append(own.pages, c.sliding.retain(id))
		}
		f.resumePoints = append(f.resumePoints, own)
		c.resumePoints = append(c.resumePoints, own)
	}
	return f
}

// Close releases every page.
func (s *Sequence) Close() {
	for _, rp := range slices.Clone(s.resumePoints) {
		rp.drop()
	}
	s.dropSliding()
	s.full = s.cache.full.cut(s.full, 0)
	s.sliding, s.n, s.exact = nil, 0, 0
}

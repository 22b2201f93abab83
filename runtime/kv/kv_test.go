package kv

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// device plays the two arenas: what each page holds, position by position. Zero is never written by a sequence.
type device struct {
	full, sliding [][PageTokens]int
}

func newDevice(full, sliding int) *device {
	return &device{make([][PageTokens]int, full), make([][PageTokens]int, sliding)}
}

func (d *device) run(copies []Copy) {
	for _, c := range copies {
		if c.Sliding {
			d.sliding[c.To] = d.sliding[c.From]
		} else {
			d.full[c.To] = d.full[c.From]
		}
	}
}

// text is a sequence with the values that it should find again, one a position.
type text struct {
	*Sequence
	want  []int
	rests bool // and was not truncated since
}

func (x *text) write(d *device, values []int) error {
	copies, err := x.Reserve(len(values))
	if err != nil {
		return err
	}
	d.run(copies)
	full, sliding := x.Tables()
	for i, v := range values {
		p := x.Len() + i
		d.full[full[p/PageTokens]][p%PageTokens] = v
		d.sliding[sliding[p/PageTokens]][p%PageTokens] = v
	}
	x.Advance(len(values))
	x.want = append(x.want, values...)
	return nil
}

// check reads what the next token would see.
func (x *text) check(t *rapid.T, d *device, window int) {
	if x.Len() != len(x.want) {
		t.Fatalf("length %d, want %d", x.Len(), len(x.want))
	}
	full, sliding := x.Tables()
	for p, v := range x.want {
		if got := d.full[full[p/PageTokens]][p%PageTokens]; got != v {
			t.Fatalf("full layers at position %d of %d: got %d, want %d", p, x.Len(), got, v)
		}
		if p >= max(0, x.Len()-window+1) {
			if x.rests {
				continue
			}
			if got := d.sliding[sliding[p/PageTokens]][p%PageTokens]; got != v {
				t.Fatalf("sliding layers at position %d of %d: got %d, want %d", p, x.Len(), got, v)
			}
		}
	}
}

// free returns the numbers of unused pages in the two arenas.
func (c *Cache) free() (full, sliding int) { return len(c.full.free), len(c.sliding.free) }

// TestSequencesKeepTheirValues runs random histories of several sequences over one small device.
func TestSequencesKeepTheirValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.SampledFrom([]int{1, 8, 127, 128, 129, 300}).Draw(t, "window")
		fullPages := rapid.IntRange(4, 40).Draw(t, "full pages")
		slidingPages := rapid.IntRange(WindowPages(window)+3, 40).Draw(t, "sliding pages")
		c := New(window, fullPages, slidingPages)
		d := newDevice(fullPages, slidingPages)
		var texts []*text
		serial := 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if len(texts) == 0 || rapid.IntRange(0, 9).Draw(t, "new") == 0 {
				texts = append(texts, &text{Sequence: c.NewSequence()})
			}
			i := rapid.IntRange(0, len(texts)-1).Draw(t, "sequence")
			x := texts[i]
			op := rapid.SampledFrom([]string{"write", "write", "write", "resume point", "truncate", "rebuild", "fork", "rest", "close"}).Draw(t, "op")
			if x.rests && (op == "write" || op == "resume point") {
				m := x.Resume(x.Len())
				x.Truncate(m)
				x.want, x.rests = x.want[:m], false
			}
			switch op {
			case "write":
				values := make([]int, rapid.IntRange(1, 300).Draw(t, "n"))
				for j := range values {
					serial++
					values[j] = serial
				}
				if err := x.write(d, values); err != nil && !errors.Is(err, ErrFull) {
					t.Fatal(err)
				}
			case "resume point":
				x.MarkResume()
				if n := x.Len(); x.Resume(n) != n {
					t.Fatalf("cannot resume at the resume point %d", n)
				}
			case "truncate":
				n := rapid.IntRange(0, x.Len()).Draw(t, "to")
				m := x.Resume(n)
				if m > n {
					t.Fatalf("Resume(%d) = %d", n, m)
				}
				x.Truncate(m)
				x.want, x.rests = x.want[:m], false
			case "rebuild":
				n := rapid.IntRange(0, x.Len()).Draw(t, "to")
				start := rapid.IntRange(0, n).Draw(t, "start")
				if n-start < window && start > 0 {
					continue // the pass must cover the windows of n-1 and n
				}
				want := x.want[:n]
				x.Rewind(start, n)
				x.rests = false
				// A pass that fails, or is given up on its way, leaves what can be resumed.
				end := n
				if rapid.Bool().Draw(t, "give up") {
					end = rapid.IntRange(start, n).Draw(t, "at")
				}
				copies, err := x.ReserveSliding(end - start)
				if err != nil {
					end = start
				}
				d.run(copies)
				_, sliding := x.Tables()
				for p := start; p < end; p++ {
					d.sliding[sliding[p/PageTokens]][p%PageTokens] = want[p]
				}
				x.Advance(end - start)
				if end < n {
					m := x.Resume(end)
					if start == 0 && m != end {
						t.Fatalf("a pass from 0 to %d can be resumed at %d only", end, m)
					}
					x.Truncate(m)
					end = m
				}
				x.want = want[:end]
			case "fork":
				n := rapid.IntRange(0, x.Len()).Draw(t, "at")
				f := &text{Sequence: x.Fork()}
				f.Truncate(f.Resume(n))
				f.want = append(f.want, x.want[:f.Len()]...)
				texts = append(texts, f)
			case "rest":
				x.Rest()
				x.rests = true
				if _, sliding := x.Tables(); slices.ContainsFunc(sliding, func(id int32) bool { return id != none }) {
					t.Fatalf("a text at rest holds %v", sliding)
				}
			case "close":
				x.Close()
				texts = append(texts[:i], texts[i+1:]...)
			}
			for _, x := range texts {
				x.check(t, d, window)
			}
		}
		for _, x := range texts {
			x.Close()
		}
		if full, sliding := c.free(); full != fullPages || sliding != slidingPages {
			t.Fatalf("%d full and %d sliding pages are free after closing all, want %d and %d", full, sliding, fullPages, slidingPages)
		}
		if len(c.resumePoints) != 0 {
			t.Fatalf("%d resume points outlive their sequences", len(c.resumePoints))
		}
	})
}

// TestSlidingLayersKeepTheWindowOnly counts pages: a long text holds all full pages and a window of sliding ones.
func TestSlidingLayersKeepTheWindowOnly(t *testing.T) {
	c := New(128, 100, 100)
	x := text{Sequence: c.NewSequence()}
	d := newDevice(100, 100)
	for range 50 {
		if err := x.write(d, make([]int, 200)); err != nil {
			t.Fatal(err)
		}
		if _, sliding := c.free(); 100-sliding > WindowPages(128) {
			t.Fatalf("%d sliding pages in use at length %d, want at most %d", 100-sliding, x.Len(), WindowPages(128))
		}
	}
	if full, _ := c.free(); 100-full != 79 { // 10,000 positions
		t.Errorf("%d full pages in use, want 79", 100-full)
	}
}

// TestResumePointResumesExactly is the turn of a chat: a prompt, a resume point, a long reply, back to the prompt.
func TestResumePointResumesExactly(t *testing.T) {
	c := New(128, 100, 100)
	x := text{Sequence: c.NewSequence()}
	d := newDevice(100, 100)
	write := func(n int) {
		if err := x.write(d, make([]int, n)); err != nil {
			t.Fatal(err)
		}
	}
	write(300)
	x.MarkResume()
	write(1000)
	for _, k := range []struct{ n, want int }{
		{1300, 1300},                       // the end
		{1290, 1290},                       // the window before it is still there
		{301, 300}, {300, 300}, {900, 300}, // the resume point
		{299, 299}, {255, 255}, // a window that begins in the same pages
		{254, 0},
	} {
		if got := x.Resume(k.n); got != k.want {
			t.Errorf("Resume(%d) = %d, want %d", k.n, got, k.want)
		}
	}
	x.Truncate(300)
	if x.Len() != 300 || x.Resume(300) != 300 {
		t.Errorf("length %d after truncation to the resume point", x.Len())
	}
}

// TestLeastRecentlyUsedResumePointsAreDropped: running out of sliding pages costs the oldest resume point, not the write.
func TestLeastRecentlyUsedResumePointsAreDropped(t *testing.T) {
	c := New(128, 100, 6)
	x := text{Sequence: c.NewSequence()}
	d := newDevice(100, 6)
	for range 10 {
		if err := x.write(d, make([]int, 200)); err != nil {
			t.Fatal(err)
		}
		x.MarkResume()
	}
	if x.Resume(400) != 0 || x.Resume(1870) != 1800 {
		t.Errorf("Resume(400) = %d and Resume(1870) = %d, want 0 and 1800", x.Resume(400), x.Resume(1870))
	}
}

// TestRecentlyUsedResumePointsAreKept: of two resume points the one that was resumed last stays, though it is older.
func TestRecentlyUsedResumePointsAreKept(t *testing.T) {
	c := New(128, 100, 8)
	d := newDevice(100, 8)
	write := func(x *text, n int) {
		t.Helper()
		if err := x.write(d, make([]int, n)); err != nil {
			t.Fatal(err)
		}
	}
	x, y, z := &text{Sequence: c.NewSequence()}, &text{Sequence: c.NewSequence()}, &text{Sequence: c.NewSequence()}
	for _, s := range []*text{x, y} {
		write(s, 128)
		s.MarkResume()
	}
	write(x, 172)
	x.Truncate(x.Resume(200))
	x.want = x.want[:128]
	write(x, 300) // a page for the resume point, two for the window
	write(y, 300) // as many
	write(z, 300) // three, one more than there is
	if x.Resume(200) != 128 || y.Resume(200) != 0 {
		t.Errorf("Resume(200) = %d of the used resume point and %d of the other, want 128 and 0", x.Resume(200), y.Resume(200))
	}
}

func TestFullArenaIsAnError(t *testing.T) {
	c := New(128, 2, 10)
	x := text{Sequence: c.NewSequence()}
	d := newDevice(2, 10)
	if err := x.write(d, make([]int, 256)); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Reserve(1); !errors.Is(err, ErrFull) {
		t.Errorf("Reserve beyond the arena: %v, want ErrFull", err)
	}
	if x.Len() != 256 {
		t.Errorf("length %d after the failure, want 256", x.Len())
	}
}

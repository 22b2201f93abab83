package main

import (
	"fmt"
	"sync"
	"time"

	"gossamer/runtime/checkpoint"
)

// progress tells how a long piece of work goes on: in one line that is replaced on a terminal, in a line from time to time elsewhere.
type progress struct {
	out   *output
	every time.Duration // between two texts

	mu      sync.Mutex
	shown   time.Time
	waiting chan struct{} // closed when what wait tells of is over; nil if nothing is
}

func newProgress(out *output) *progress {
	p := &progress{out: out, every: 100 * time.Millisecond}
	if !out.terminal {
		p.every, p.shown = 10*time.Second, time.Now() // short work needs no line
	}
	return p
}

// show tells what is done now.
func (p *progress) show(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endWait()
	p.tell(text)
}

// wait tells what is waited for, and for how long already, until something else is told.
func (p *progress) wait(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endWait()
	over, start := make(chan struct{}), time.Now()
	p.waiting = over
	p.tell(what)
	go func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
			}
			p.mu.Lock()
			if p.waiting == over {
				p.tell(fmt.Sprintf("%s, %s", what, time.Since(start).Round(time.Second)))
			}
			p.mu.Unlock()
		}
	}()
}

// clear removes the line.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endWait()
	p.out.show("")
}

func (p *progress) endWait() {
	if p.waiting != nil {
		close(p.waiting)
		p.waiting = nil
	}
}

func (p *progress) tell(text string) {
	if time.Since(p.shown) < p.every {
		return
	}
	p.shown = time.Now()
	if p.out.terminal {
		p.out.show(text)
	} else {
		fmt.Fprintln(p.out, text)
	}
}

// work tells how far a piece of work is.
func (p *progress) work(w checkpoint.Progress) { p.show(describeProgress(w)) }

func describeProgress(w checkpoint.Progress) string {
	text := fmt.Sprintf("%s: %s of %s", w.Phase, byteCount(w.BytesDone), byteCount(w.BytesTotal))
	if w.BytesHere > 0 {
		text += fmt.Sprintf(" (%s were here)", byteCount(w.BytesHere))
	}
	if w.Rate > 0 {
		text += fmt.Sprintf(", %s/s", byteCount(int64(w.Rate)))
	}
	if w.ETA > 0 {
		text += fmt.Sprintf(", %s left", w.ETA.Round(time.Second))
	}
	return text
}

// byteCount writes a number of bytes in decimal units, as disks and networks are measured.
func byteCount(n int64) string {
	switch {
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}

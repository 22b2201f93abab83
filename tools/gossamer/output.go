package main

import (
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"gossamer/tools/gossamer/internal/terminal"
)

// screen shows a conversation, and what else is written to its terminal.
type screen interface {
	Print(text string)
	Status(text string)
}

// output is standard output or standard error. Its methods may be called from several goroutines.
//
// What is written is often not the program's own: replies of models, names out of files, words of hosts. Control characters in it could
// move the cursor, change the window's title or answer for the user, so people get them as visible characters; escape sequences of the
// program itself go through control. The program's other outputs, files and pipes, get every byte as it is.
type output struct {
	w        io.Writer
	terminal bool
	visible  bool // control characters are replaced

	mu     sync.Mutex
	screen screen // of a conversation; nil: none
	status string // the line that stands below everything else, on a terminal
	err    error  // of the first write that failed; nothing is written after it
	lost   func(error)
}

func newOutput(w io.Writer) *output {
	t := isTerminal(w)
	return &output{w: w, terminal: t, visible: t}
}

// isTerminal says whether a stream is one, of the two kinds of stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Write writes whole lines or parts of them, in whole characters.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := p
	if o.visible {
		text = terminal.Printable(p)
	}
	if err := o.put(text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// put shows text in place of the status line. The caller holds mu.
func (o *output) put(text []byte) error {
	if o.screen != nil {
		o.screen.Print(string(text))
		return nil
	}
	if o.status != "" {
		text = append([]byte(clearLine), text...)
		o.status = ""
	}
	return o.write(text)
}

// print writes text in which control characters are the program's own.
func (o *output) print(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.put([]byte(text)) // an error is kept, and the next Write returns it
}

// shown is text of others as this stream shows it.
func (o *output) shown(text string) string {
	if !o.visible {
		return text
	}
	return string(terminal.Printable([]byte(text)))
}

// width of the terminal in columns; 0: there is none, or nobody knows.
func (o *output) width() int {
	if !o.terminal {
		return 0
	}
	width, _, err := term.GetSize(int(o.w.(*os.File).Fd()))
	if err != nil {
		return 0
	}
	return width
}

// control writes an escape sequence to a terminal, and nothing elsewhere.
func (o *output) control(sequence string) {
	if !o.terminal {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.write([]byte(sequence)) // an error is kept, and the next Write returns it
}

const clearLine = "\r\x1b[K"

// show replaces the status line; "" removes it. It is cut to the width of the terminal, and there is none elsewhere.
func (o *output) show(status string) {
	if !o.terminal {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.screen != nil {
		o.screen.Status(string(terminal.Printable([]byte(status))))
		return
	}
	if status == o.status {
		return
	}
	line := []rune(string(terminal.Printable([]byte(status))))
	if width := o.width(); width > 0 {
		line = line[:min(len(line), width-1)]
	}
	o.write([]byte(clearLine + string(line)))
	o.status = status
}

// divert lets a screen show what is written, until it is nil.
func (o *output) divert(s screen) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.screen = s
}

// write writes bytes as they are, after the first failure none. The caller holds mu.
func (o *output) write(p []byte) error {
	if o.err != nil {
		return o.err
	}
	if _, o.err = o.w.Write(p); o.err != nil && o.lost != nil {
		o.lost(o.err)
	}
	return o.err
}

// failure is why something that was written is lost, or nil.
func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// onLoss calls f when a write fails.
func (o *output) onLoss(f func(error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost = f
}

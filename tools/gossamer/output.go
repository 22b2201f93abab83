package main

import (
	"bytes"
	"io"
	"os"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

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
	raw    bool   // a line feed does not return the carriage here
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
		text = printable(p)
	}
	if o.raw {
		text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	}
	if o.status != "" {
		text = append([]byte(clearLine), text...)
		o.status = ""
	}
	if err := o.write(text); err != nil {
		return 0, err
	}
	return len(p), nil
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
	if status == o.status {
		return
	}
	line := []rune(string(printable([]byte(status))))
	if width, _, err := term.GetSize(int(o.w.(*os.File).Fd())); err == nil && width > 0 {
		line = line[:min(len(line), width-1)]
	}
	o.write([]byte(clearLine + string(line)))
	o.status = status
}

// setRaw says whether the terminal is in raw mode.
func (o *output) setRaw(raw bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.raw = raw && o.terminal
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

// printable replaces control characters other than line feed and tab by visible ones, and with them the characters that turn the
// direction of writing, which can make text look like another, and what is not UTF-8.
func printable(p []byte) []byte {
	out := make([]byte, 0, len(p))
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		switch {
		case r == '\n' || r == '\t':
		case r == '\r' && n < len(p) && p[n] == '\n': // the line feed will do
			p = p[n:]
			continue
		case r < ' ':
			r += '␀' // control pictures, U+2400 and following
		case r == 0x7f:
			r = '␡'
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r) && r != '\u200e' && r != '\u200f' && r != '\u061c':
			r = utf8.RuneError
		}
		out = utf8.AppendRune(out, r)
		p = p[n:]
	}
	return out
}

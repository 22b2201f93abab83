package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// keyboard reads prompts from a terminal. The terminal is in raw mode from the beginning to the end of a conversation: lines of any
// length are read, what is typed during a reply waits for it and is not echoed into it, and a paste stays one prompt. When the
// conversation ends, what is still coming in is thrown away, so that it does not become the shell's next command.
type keyboard struct {
	env    *env
	in     *os.File
	before *term.State
	line   *term.Terminal // edits a line and keeps earlier ones
	tty    io.Writer      // where it is shown

	mu      sync.Mutex
	keys    keys      // of what was typed
	queue   []key     // not yet taken by line
	eof     bool      // nothing more will be typed
	arrived time.Time // of the last bytes
	more    chan struct{}

	reading bool // a prompt is being typed

	// Used by the goroutine that reads prompts.
	ctx  context.Context
	ends []enterKind // of the lines whose ends were given to line
}

// openKeyboard prepares the terminal that is standard input.
func openKeyboard(env *env) (*keyboard, error) {
	in := env.stdin.(*os.File)
	k := &keyboard{env: env, in: in, more: make(chan struct{}, 1)}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	k.before = before
	k.tty = rawWriter{env.stdout}
	if !env.stdout.terminal {
		k.tty = in // a terminal is open for both
	}
	env.stdout.setRaw(true)
	env.stderr.setRaw(true)
	k.line = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{k, k.tty}, prompt)
	k.line.AutoCompleteCallback = k.edit
	k.line.History = &prompts{}
	io.WriteString(k.tty, pasteOn)
	env.keyboard.Store(k)
	go k.read()
	return k, nil
}

const (
	pasteOn  = "\x1b[?2004h" // the terminal marks what is pasted
	pasteOff = "\x1b[?2004l"
)

// rawWriter writes past the replacement of control characters.
type rawWriter struct{ o *output }

func (w rawWriter) Write(p []byte) (int, error) {
	w.o.control(string(p))
	return len(p), nil
}

const (
	prompt       = "> "
	continuation = "  " // of a prompt of several lines
)

// read takes in what is typed until the input ends.
func (k *keyboard) read() {
	buf := make([]byte, 1<<16)
	for {
		n, err := k.in.Read(buf)
		for _, signal := range k.take(buf[:n]) {
			if signal == keyInterrupt {
				k.env.interrupt()
			} else {
				k.suspend()
			}
		}
		if err != nil {
			k.mu.Lock()
			k.eof = true
			k.mu.Unlock()
			k.wake()
			return
		}
	}
}

// take puts bytes into the queue and returns the keys among them that are signals. An Enter waits for a moment: if more comes at
// once, no hand has typed it.
func (k *keyboard) take(p []byte) (signals []keyKind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	for _, key := range k.keys.parse(p, now.Sub(k.arrived)) {
		if key.kind == keySuspend || key.kind == keyInterrupt && !k.reading {
			signals = append(signals, key.kind)
			continue
		}
		k.queue = append(k.queue, key)
	}
	k.arrived = now
	if k.keys.undecided() {
		time.AfterFunc(pasteGap, func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.arrived.Equal(now) {
				k.queue = append(k.queue, k.keys.decide()...)
				k.wake()
			}
		})
	}
	k.wake()
	return signals
}

func (k *keyboard) wake() {
	select {
	case k.more <- struct{}{}:
	default:
	}
}

// next returns the next prompt; io.EOF says that the user wants no more.
func (k *keyboard) next(ctx context.Context) (text string, err error) {
	k.ctx = ctx
	k.setReading(true)
	defer k.setReading(false)
	k.env.whileInterruptible(func() { k.press(key{kind: keyInterrupt}) }, func() { text, err = k.compose() })
	if ctx.Err() != nil {
		err = io.EOF
	}
	return text, err
}

func (k *keyboard) setReading(reading bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reading = reading
}

// press acts as if a key had been typed.
func (k *keyboard) press(key key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.queue = append(k.queue, key)
	k.wake()
}

// compose reads lines until they are a prompt.
func (k *keyboard) compose() (string, error) {
	var lines []string
	k.line.SetPrompt(prompt)
	for {
		line, err := k.line.ReadLine()
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return "", err
		}
		end := k.ends[0]
		k.ends = k.ends[1:]
		switch {
		case (end == enterLeave || end == enterEnd) && len(lines) == 0:
			return "", io.EOF
		case end == enterCancel, end == enterLeave:
			lines = nil
			k.line.SetPrompt(prompt)
			continue
		}
		lines = append(lines, line)
		if end == enterMore {
			k.line.SetPrompt(continuation)
			continue
		}
		if len(lines) == 1 && line != "" {
			k.line.History.(*prompts).remember(line)
		}
		return strings.ReplaceAll(strings.Join(lines, "\n"), shownTab, "\t"), nil
	}
}

// Read gives the line editor what was typed, up to the next key that ends a line or needs to know the line.
func (k *keyboard) Read(p []byte) (int, error) {
	if width, height, err := term.GetSize(int(k.in.Fd())); err == nil && width > 0 { // 0: nobody knows
		k.line.SetSize(width, height)
	}
	for {
		k.mu.Lock()
		n := 0
		for n < len(p) && len(k.queue) > 0 {
			next := k.queue[0]
			if n+len(next.text) > len(p) {
				break
			}
			k.queue = k.queue[1:]
			n += copy(p[n:], next.text)
			if next.kind == keyEnter {
				k.ends = append(k.ends, next.end)
				p[n] = '\r'
				n++
				break
			}
			if next.kind == keyInterrupt || next.kind == keyEnd {
				p[n] = next.kind.code()
				n++
				break
			}
		}
		eof := k.eof && len(k.queue) == 0
		k.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		if eof {
			return 0, io.EOF
		}
		select {
		case <-k.more:
		case <-k.ctx.Done():
			return 0, io.EOF
		}
	}
}

// edit is asked by the line editor about keys that it has no meaning for: Ctrl-C and Ctrl-D, which mean the end on an empty line.
func (k *keyboard) edit(line string, at int, r rune) (string, int, bool) {
	var end enterKind
	switch {
	case byte(r) == keyInterrupt.code() && line == "":
		end = enterLeave
	case byte(r) == keyInterrupt.code():
		end = enterCancel
	case byte(r) == keyEnd.code() && line == "":
		end = enterEnd
	case byte(r) == keyEnd.code(): // as elsewhere, it deletes the character under the cursor
		rest := []rune(line[at:])
		return line[:at] + string(rest[min(1, len(rest)):]), at, true
	default:
		return "", 0, false
	}
	k.mu.Lock()
	k.queue = append([]key{{kind: keyEnter, end: end}}, k.queue...)
	k.mu.Unlock()
	return "", 0, true
}

// suspend stops the process, as the shell's job control wants it, and goes on when it is continued.
func (k *keyboard) suspend() {
	k.restore()
	stopProcess()
	if _, err := term.MakeRaw(int(k.in.Fd())); err != nil {
		return
	}
	k.env.stdout.setRaw(true)
	k.env.stderr.setRaw(true)
	io.WriteString(k.tty, pasteOn)
	k.line.Write(nil) // shows the line again
}

// restore puts the terminal back.
func (k *keyboard) restore() {
	io.WriteString(k.tty, pasteOff)
	k.env.stdout.setRaw(false)
	k.env.stderr.setRaw(false)
	term.Restore(int(k.in.Fd()), k.before) // if that fails, the terminal is gone
}

// close throws away what is still coming in and puts the terminal back.
func (k *keyboard) close() {
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(pasteGap / 2) {
		k.mu.Lock()
		quiet := time.Since(k.arrived) > 2*pasteGap && !k.keys.pasting
		k.mu.Unlock()
		if quiet {
			break
		}
	}
	k.env.keyboard.Store(nil)
	k.restore()
}

// prompts are those typed before, for the arrow keys.
type prompts struct{ list []string }

// Add does nothing: the line editor offers every line, also the parts of a paste and what was cancelled.
func (p *prompts) Add(string)        {}
func (p *prompts) Len() int          { return len(p.list) }
func (p *prompts) At(i int) string   { return p.list[len(p.list)-1-i] }
func (p *prompts) remember(s string) { p.list = append(p.list, s) }

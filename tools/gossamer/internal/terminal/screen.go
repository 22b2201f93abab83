// Package terminal is a conversation's side of a terminal: what is printed scrolls up as in any program, and below it stand what is
// waited for and the line editor, also while something is printed.
package terminal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/cancelreader"
	"golang.org/x/term"
)

// Options of a Screen.
type Options struct {
	In, Out   *os.File // a terminal
	Plain     bool     // without attributes such as dimmed text
	History   *History
	Complete  func(line string) []string // the lines that a command may become; nil: none
	Interrupt func()                     // Ctrl-C while no prompt is asked for; also when the terminal is gone
	Failed    func(error)                // what could not be kept; the conversation goes on
	Entered   func()                     // a prompt was entered while none is asked for: it waits; it must not use the screen
}

// Screen is a terminal in use. Its methods may be called by several goroutines.
type Screen struct {
	o       Options
	before  *term.State
	program *tea.Program
	done    chan struct{} // closed when the program has ended
	width   atomic.Int64
	height  atomic.Int64
	closing atomic.Bool // the program is ended by Close or Abort

	mu      sync.Mutex
	queue   []string      // prompts that were entered, not yet taken
	waiting bool          // a prompt is asked for
	left    bool          // the user wants to leave
	more    chan struct{} // something of the above has changed

	printing sync.Mutex
	live     string // the line that is not complete
}

// Open takes the terminal until Close.
func Open(o Options) (*Screen, error) {
	s := &Screen{o: o, done: make(chan struct{}), more: make(chan struct{}, 1)}
	width, height, err := term.GetSize(int(o.Out.Fd()))
	if err != nil {
		return nil, err
	}
	s.resize(width, height)
	// Before the program does it, so that what is typed behind its end is not echoed.
	if s.before, err = term.MakeRaw(int(o.In.Fd())); err != nil {
		return nil, err
	}
	out := &watched{File: o.Out, shown: make(chan struct{})}
	s.program = tea.NewProgram(newModel(s), tea.WithInput(o.In), tea.WithOutput(out), tea.WithoutSignalHandler())
	go func() {
		defer close(s.done)
		s.program.Run() // an error is the end of the terminal
		s.leave()
		if o.Interrupt != nil && !s.asking() && !s.closing.Load() {
			o.Interrupt()
		}
	}()
	select {
	case <-out.shown:
	case <-s.done:
		s.restore()
		return nil, errors.New("the terminal cannot be used")
	}
	return s, nil
}

// watched is a terminal of which one knows that the first frame is shown: lines cannot be put above it before.
type watched struct {
	*os.File
	once  sync.Once
	shown chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.File.Write(p)
	if bytes.Contains(p, []byte(ansi.SetModeBracketedPaste)) {
		w.once.Do(func() { close(w.shown) })
	}
	return n, err
}

// Width is the terminal's, in columns.
func (s *Screen) Width() int { return int(s.width.Load()) }

func (s *Screen) resize(width, height int) {
	s.width.Store(int64(max(width, 1)))
	s.height.Store(int64(max(height, 1)))
}

// Next returns the next prompt; io.EOF says that there will be none.
func (s *Screen) Next(ctx context.Context) (string, error) {
	s.ask(true)
	defer s.ask(false)
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			text := s.queue[0]
			s.queue = s.queue[1:]
			s.mu.Unlock()
			return text, nil
		}
		left := s.left
		s.mu.Unlock()
		if left || ctx.Err() != nil {
			return "", io.EOF
		}
		select {
		case <-s.more:
		case <-ctx.Done():
		}
	}
}

func (s *Screen) ask(waiting bool) {
	s.mu.Lock()
	s.waiting = waiting
	s.mu.Unlock()
	s.program.Send(changed{})
}

func (s *Screen) asking() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// Waiting are the prompts that were entered and not yet taken.
func (s *Screen) Waiting() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue
}

// enter queues a prompt.
func (s *Screen) enter(text string) {
	s.mu.Lock()
	s.queue = append(s.queue[:len(s.queue):len(s.queue)], text)
	waits := !s.waiting
	s.mu.Unlock()
	s.wake()
	if waits && s.o.Entered != nil {
		s.o.Entered()
	}
}

// takeBack returns what was entered and not yet taken.
func (s *Screen) takeBack() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.queue
	s.queue = nil
	return queue
}

// leave says that the user wants to leave, behind what was entered.
func (s *Screen) leave() {
	s.mu.Lock()
	s.left = true
	s.mu.Unlock()
	s.wake()
}

func (s *Screen) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// Print prints text, which may have attributes: each line for itself. Complete lines belong to the terminal from then on.
func (s *Screen) Print(text string) {
	s.printing.Lock()
	defer s.printing.Unlock()
	s.live += text
	for {
		line, rest, ok := strings.Cut(s.live, "\n")
		if !ok {
			break
		}
		s.live = rest
		for _, row := range s.rows(line) {
			s.program.Send(tea.Println(row)())
		}
	}
	s.program.Send(live(s.live))
}

// rows divides a line if it is too large to be put above the editor as one.
func (s *Screen) rows(line string) []string {
	if line == "" {
		return []string{ansi.ResetStyle} // nothing at all would not be a line
	}
	width := s.Width()
	if ansi.StringWidth(line) <= width*max(1, int(s.height.Load())/2) {
		return []string{line}
	}
	return strings.Split(ansi.Hardwrap(line, width, true), "\n")
}

// Status shows what is waited for, and since when; "": nothing.
func (s *Screen) Status(text string) { s.program.Send(status(text)) }

// SetInput puts text into the editor.
func (s *Screen) SetInput(text string) { s.program.Send(fill(text)) }

// SetLabel puts text before the input in place of the usual "> ", which "" stands for.
func (s *Screen) SetLabel(text string) { s.program.Send(label(text)) }

// Interrupt acts as Ctrl-C does.
func (s *Screen) Interrupt() { s.program.Send(interrupted{}) }

// Copy puts text into the clipboard of the terminal, if it allows that.
func (s *Screen) Copy(text string) { s.program.Send(tea.SetClipboard(text)()) }

// Close throws away what is still being typed, so that it does not become the shell's next command, and gives the terminal back.
func (s *Screen) Close() {
	s.closing.Store(true)
	s.program.Send(ending{})
	<-s.done
	s.drain()
	s.restore()
}

// Abort gives the terminal back at once, as the process is about to end.
func (s *Screen) Abort() {
	s.closing.Store(true)
	s.program.Kill()
	select {
	case <-s.done:
	case <-time.After(time.Second):
	}
	s.restore()
}

func (s *Screen) restore() { term.Restore(int(s.o.In.Fd()), s.before) } // if that fails, the terminal is gone

// drain reads until nothing comes for a while.
func (s *Screen) drain() {
	in, err := cancelreader.NewReader(s.o.In)
	if err != nil {
		return
	}
	defer in.Close()
	came := make(chan struct{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		buf := make([]byte, 1<<16)
		for {
			if _, err := in.Read(buf); err != nil {
				return
			}
			select {
			case came <- struct{}{}:
			case <-time.After(pasteGap):
			}
		}
	}()
	quiet, most := time.NewTimer(2*pasteGap), time.After(2*time.Second)
	defer quiet.Stop()
	for {
		select {
		case <-came:
			quiet.Reset(2 * pasteGap)
			continue
		case <-quiet.C:
		case <-most:
		case <-over:
			return
		}
		if in.Cancel() { // else it cannot be cancelled here, and ends with the process
			<-over
		}
		return
	}
}

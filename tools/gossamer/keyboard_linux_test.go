package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// session is the command on a terminal of its own.
type session struct {
	t       *testing.T
	cmd     *exec.Cmd
	typing  *os.File // the terminal's other side
	mu      sync.Mutex
	screen  bytes.Buffer // all that was shown
	changed chan struct{}
	over    chan struct{} // closed when all was shown
}

// onTerminal starts a shell command line on a new terminal; $0 in it is the command.
func onTerminal(t *testing.T, line string, args ...string) *session {
	t.Helper()
	typing, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("this system has no pseudo-terminals: ", err)
	}
	t.Cleanup(func() { typing.Close() })
	control := func(request uintptr, value *int32) {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, typing.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	var number, unlock int32
	control(syscall.TIOCSPTLCK, &unlock)
	control(syscall.TIOCGPTN, &number)
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	s := &session{t: t, typing: typing, changed: make(chan struct{}, 1), over: make(chan struct{})}
	s.cmd = exec.CommandContext(t.Context(), "sh", append([]string{"-c", line, os.Args[0]}, args...)...)
	s.cmd.Env = append(append(os.Environ(), asCommand+"=1", "TERM=xterm"), noDriver(t)...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = tty, tty, tty
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := typing.Read(buf)
			s.mu.Lock()
			s.screen.Write(buf[:n])
			s.mu.Unlock()
			select {
			case s.changed <- struct{}{}:
			default:
			}
			if err != nil {
				close(s.over)
				return
			}
		}
	}()
	return s
}

// wait waits until pattern was shown n times.
func (s *session) wait(n int, pattern string) {
	s.t.Helper()
	p := regexp.MustCompile(pattern)
	for end := time.After(10 * time.Minute); ; {
		if len(p.FindAllString(s.shown(), -1)) >= n {
			return
		}
		select {
		case <-s.changed:
		case <-end:
			s.t.Fatalf("%q did not appear %d times:\n%q", pattern, n, s.shown())
		}
	}
}

func (s *session) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.String()
}

// send types.
func (s *session) send(text string) {
	s.t.Helper()
	if _, err := s.typing.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// quit ends the conversation, and types more while the process is ending. On a busy machine the process may see both at once, which is
// a paste and becomes a prompt: then it is tried again.
func (s *session) quit(more string) {
	s.t.Helper()
	for answers := strings.Count(s.shown(), "(cut off") + 1; ; answers++ {
		s.send("/quit\r")
		time.Sleep(pasteGap * 3 / 2)
		s.send(more)
		for strings.Count(s.shown(), "(cut off") < answers {
			select {
			case <-s.changed:
			case <-s.over:
				return
			}
		}
	}
}

// end waits for the end of the process and returns its exit status.
func (s *session) end() int {
	s.t.Helper()
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	<-s.over
	return s.cmd.ProcessState.ExitCode()
}

// chatting is a conversation that a shell goes on after: what reaches the shell is shown in brackets.
const chatting = `"$0" chat --temperature 0 --max-tokens 4; echo "status $?"; stty -a | tr ' ' '\n' | grep -x -e icanon -e echo; ` +
	`stty -icanon min 0 time 2; echo "[$(cat)]"`

const ready = `\r\n> `

// TestPasteIsOnePromptAndNothingReachesTheShell, whether the terminal marks pastes or not, and with a command among the lines.
func TestPasteIsOnePromptAndNothingReachesTheShell(t *testing.T) {
	for name, paste := range map[string]string{
		"marked":   "\x1b[200~first\r/quit\recho harm\r\x1b[201~",
		"unmarked": "first\r/quit\recho harm\r",
	} {
		t.Run(name, func(t *testing.T) {
			s := onTerminal(t, chatting)
			s.wait(1, ready)
			s.send(paste)
			if name == "marked" {
				s.wait(1, "harm")
				s.send("\r")
			}
			s.wait(1, `\(cut off`)
			s.wait(2, ready)
			s.send("/quit\recho more harm\r") // comes at once, so it is no command either
			s.wait(2, `\(cut off`)
			s.quit("echo late harm\r")
			if s.end(); !strings.Contains(s.shown(), "status 0\r\n") || !strings.Contains(s.shown(), "[]") {
				t.Errorf("shown:\n%q", s.shown())
			}
			if !strings.Contains(s.shown(), "icanon") || !strings.Contains(s.shown(), "echo\r\n") {
				t.Errorf("the terminal was not put back:\n%q", s.shown())
			}
		})
	}
}

// TestLongLineIsAsked: the terminal's own line discipline would keep 4,095 bytes of it.
func TestLongLineIsAsked(t *testing.T) {
	s := onTerminal(t, `"$0" chat --temperature 0 --max-tokens 4 --stats`)
	s.wait(1, ready)
	s.send(strings.Repeat("what ", 1000) + "\r")
	s.wait(1, `prompt 1\d\d\d,`) // tokens, one a word
	s.send("\x04")
	if code := s.end(); code != exitOK {
		t.Errorf("exit status %d", code)
	}
}

// TestCtrlCAtThePrompt clears what is typed, and ends on an empty line; arrows move.
func TestCtrlCAtThePrompt(t *testing.T) {
	s := onTerminal(t, chatting)
	s.wait(1, ready)
	s.send("half a line")
	s.wait(1, "half a line")
	s.send("\x03")
	s.wait(2, ready)
	s.send("1 + 2?")
	s.wait(1, `1 \+ 2\?`)
	s.send("\x1b[D\x1b[D2\r") // 1 + 22?
	s.wait(1, `\(cut off`)
	s.wait(3, ready)
	s.send("\x1b[A") // the same again
	s.wait(1, `1 \+ 22\?`)
	s.send("\x03")
	s.wait(4, ready)
	s.send("\x03")
	if s.end(); !strings.Contains(s.shown(), "status 0\r\n") || strings.Contains(s.shown(), "^[") || strings.Contains(s.shown(), "^C") {
		t.Errorf("shown:\n%q", s.shown())
	}
}

// TestCtrlCEndsAReply, and what was typed meanwhile becomes the next prompt.
func TestCtrlCEndsAReply(t *testing.T) {
	s := onTerminal(t, `"$0" chat --ctx 8192 --instructions "$1"; echo "status $?"`, strings.Repeat("what ", 6000))
	s.wait(1, ready)
	s.send("go\r") // the instructions take some seconds
	time.Sleep(10 * pasteGap)
	s.send("typed ahead")
	time.Sleep(pasteGap)
	s.send("\x03")
	s.wait(1, `\(stopped\)`)
	s.wait(1, "typed ahead")
	s.send("\x03")
	s.wait(3, ready)
	s.send("\x03")
	if s.end(); !strings.Contains(s.shown(), "status 0\r\n") {
		t.Errorf("shown:\n%q", s.shown())
	}
}

// TestInterruptedLoadPutsTheTerminalBack, and what was typed meanwhile does not reach the shell.
func TestInterruptedLoadPutsTheTerminalBack(t *testing.T) {
	s := onTerminal(t, strings.Replace(chatting, "chat", `chat --model "$1"`, 1), silentHost(t))
	s.wait(1, "opening")
	s.send("echo harm\r")
	time.Sleep(2 * pasteGap)
	s.send("\x03")
	if s.end(); !strings.Contains(s.shown(), "status 130\r\n") || !strings.Contains(s.shown(), "[]") || !strings.Contains(s.shown(), "icanon") {
		t.Errorf("shown:\n%q", s.shown())
	}
}

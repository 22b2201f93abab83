package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gossamer/runtime/testenv"
)

// tmux is a terminal of its own with a shell in it, in which `gossamer` is the command under test. Keys are sent and the screen is read.
type tmux struct {
	t      *testing.T
	socket string
	state  string // XDG_STATE_HOME
	dir    string // where the shell is
}

// screenPatience is how long something may take to appear on the screen, on a machine that is busy.
const screenPatience = 10 * time.Minute

// openTmux starts a terminal of a size, with further variables in the environment.
func openTmux(t *testing.T, width, height string, environ ...string) *tmux {
	t.Helper()
	if testing.Short() {
		t.Skip("-short starts no other program")
	}
	if _, err := exec.LookPath("tmux"); err != nil {
		testenv.Missing(t, "tmux is missing: run make setup-test")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	base, err := os.MkdirTemp("", "tmux") // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	m := &tmux{t, filepath.Join(base, "socket"), filepath.Join(base, "state"), filepath.Join(base, "here")}
	for _, dir := range []string{m.dir, filepath.Join(base, "bin")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	script := "#!/bin/sh\necho $$ >'" + base + "/pid'\n" + asCommand + "=1 exec '" + self + "' \"$@\"\n"
	m.file(filepath.Join(base, "bin", "gossamer"), script, 0o777)
	m.file(filepath.Join(base, "conf"), "set -g default-terminal screen-256color\nset -s set-clipboard on\nset -s escape-time 0\n", 0o666)
	m.file(filepath.Join(base, "profile"), "PS1='$ '\n", 0o666)
	cmd := exec.Command("tmux", "-u", "-S", m.socket, "-f", filepath.Join(base, "conf"), "new-session", "-d", "-x", width, "-y", height, "sh -i")
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(base, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"),
		"XDG_STATE_HOME="+m.state, "LC_ALL=C.UTF-8", "ENV="+filepath.Join(base, "profile"), "NO_COLOR=", "TMUX=", "TERM=xterm-256color")
	cmd.Env = append(cmd.Env, environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("tmux", "-S", m.socket, "kill-server").Run() })
	m.wait("the shell's prompt", func(screen string) bool { return strings.HasPrefix(screen, "$") })
	return m
}

func (m *tmux) file(name, text string, mode os.FileMode) {
	m.t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		m.t.Fatal(err)
	}
}

// do runs a command of tmux and returns its output.
func (m *tmux) do(stdin string, args ...string) string {
	m.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-u", "-S", m.socket}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// keys presses keys by their names, such as Enter, C-c and M-Enter.
func (m *tmux) keys(names ...string) {
	m.t.Helper()
	m.do("", append([]string{"send-keys"}, names...)...)
}

// ready are the ends of a screen on which the chat or the shell takes a line.
var ready = []string{prompt, "returns:", "\n>", "$"}

// enter types a line, presses Enter and waits for the next one to be asked for: what is typed sooner would belong to the first one.
func (m *tmux) enter(text string) {
	m.t.Helper()
	m.typed(text)
	m.keys("Enter")
	m.wait("the end of the line "+text, func(screen string) bool {
		return slices.ContainsFunc(ready, func(end string) bool { return strings.HasSuffix(screen, end) })
	})
}

// typed types text without line breaks and waits until it is among the last rows of the screen.
func (m *tmux) typed(text string) {
	m.t.Helper()
	m.do("", "send-keys", "-l", text)
	squeeze := func(text string) string { return strings.Join(strings.Fields(text), "") }
	m.wait("what is typed", func(screen string) bool {
		rows := strings.Split(screen, "\n")
		return strings.Contains(squeeze(strings.Join(rows[max(0, len(rows)-4):], "")), squeeze(text))
	})
}

// paste pastes text, between the marks of a paste if the program asks for them, or as mere keys.
func (m *tmux) paste(text string, marks bool) {
	m.t.Helper()
	m.do(text, "load-buffer", "-")
	if marks {
		m.do("", "paste-buffer", "-p")
	} else {
		m.do("", "paste-buffer")
	}
}

// screen is what is shown, with what has scrolled up; rows are separated as on the screen.
func (m *tmux) screen() string {
	m.t.Helper()
	return strings.TrimRight(m.do("", "capture-pane", "-p", "-S", "-"), "\n")
}

// attributed is the same with escape sequences for attributes.
func (m *tmux) attributed() string {
	m.t.Helper()
	return m.do("", "capture-pane", "-p", "-e", "-S", "-")
}

var attributes = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// attribute says whether a text on the screen is bold or faint, or "".
func (m *tmux) attribute(text string) (is string) {
	m.t.Helper()
	before, _, ok := strings.Cut(m.attributed(), text)
	if !ok {
		m.t.Fatalf("%q is not on the screen", text)
	}
	for _, sequence := range attributes.FindAllStringSubmatch(before, -1) {
		for code := range strings.SplitSeq(sequence[1], ";") {
			switch code {
			case "", "0", "22":
				is = ""
			case "1":
				is = "bold"
			case "2":
				is = "faint"
			}
		}
	}
	return is
}

// wait waits until the screen is as wanted.
func (m *tmux) wait(what string, wanted func(screen string) bool) {
	m.t.Helper()
	for end := time.Now().Add(screenPatience); ; time.Sleep(20 * time.Millisecond) {
		screen := m.screen()
		if wanted(screen) {
			return
		}
		if time.Now().After(end) {
			m.t.Fatalf("%s does not come; the screen is\n%s", what, screen)
		}
	}
}

// see waits until all of the texts are on the screen.
func (m *tmux) see(texts ...string) {
	m.t.Helper()
	for _, text := range texts {
		m.wait(text, func(screen string) bool { return strings.Contains(screen, text) })
	}
}

// seeEnd waits until the last rows that are not empty are these, without spaces at their ends.
func (m *tmux) seeEnd(rows ...string) {
	m.t.Helper()
	want := strings.Join(rows, "\n")
	m.wait("at the end: "+want, func(screen string) bool { return strings.HasSuffix(screen, want) })
}

// seeRows waits until these rows follow each other somewhere on the screen.
func (m *tmux) seeRows(rows ...string) {
	m.t.Helper()
	want := "\n" + strings.Join(rows, "\n") + "\n"
	m.wait("among the rows: "+want, func(screen string) bool { return strings.Contains("\n"+screen+"\n", want) })
}

// count waits until a text is on the screen that often.
func (m *tmux) count(text string, n int) {
	m.t.Helper()
	m.wait(text+" several times", func(screen string) bool { return strings.Count(screen, text) == n })
}

// prompt is the row of the editor while nothing is typed.
const prompt = "> Ask anything; /help lists the commands"

// chat starts a conversation in which the plays of a file answer.
func (m *tmux) chat(plays string, args ...string) {
	m.t.Helper()
	m.file(filepath.Join(m.dir, "plays.json"), `{"version": 1, "plays": [`+plays+`]}`, 0o666)
	m.enter(strings.Join(append([]string{"gossamer chat --playback plays.json"}, args...), " "))
	m.see("Ctrl-D leaves")
	m.seeEnd(prompt)
}

// leave ends the conversation and returns to the shell, which says the exit status.
func (m *tmux) leave() {
	m.t.Helper()
	m.keys("C-d")
	m.shell()
	m.enter("echo status=$?.")
	m.see("status=0.")
}

// shell waits for the shell's prompt.
func (m *tmux) shell() {
	m.t.Helper()
	m.seeEnd("$")
}

// kill ends the command that was started last at once.
func (m *tmux) kill() {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(filepath.Dir(m.socket), "pid"))
	if err != nil {
		m.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		m.t.Fatal(err)
	}
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// saved are the conversations that are kept, by the files' names.
func (m *tmux) saved() map[string]saved {
	m.t.Helper()
	files, err := filepath.Glob(filepath.Join(m.state, "gossamer", "chats", "*.json"))
	if err != nil {
		m.t.Fatal(err)
	}
	all := map[string]saved{}
	for _, name := range files {
		s, _, _, err := readSaved(name)
		if err != nil {
			m.t.Fatal(err)
		}
		all[filepath.Base(name)] = s
	}
	return all
}

// theSaved is the only conversation that is kept.
func (m *tmux) theSaved() saved {
	m.t.Helper()
	all := m.saved()
	if len(all) != 1 {
		m.t.Fatalf("%d conversations are kept, want one", len(all))
	}
	for _, s := range all {
		return s
	}
	panic("unreachable")
}

package terminal

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// Messages of a Screen to its model.
type (
	live        string   // the line that is not complete
	status      string   // what is waited for
	fill        string   // text for the editor
	label       string   // before the input
	interrupted struct{} // as by Ctrl-C
	changed     struct{} // of what the Screen itself holds
	tick        struct{} // the spinner moves on
	ending      struct{} // nothing is to be left below the text
	settled     int      // nothing has come behind the Enter of this number
)

// pasteGap is the time within which no hand types a key after Enter.
const pasteGap = 40 * time.Millisecond

// model is what stands below the text: the incomplete line, what is waited for, prompts that wait, the editor and a hint.
type model struct {
	s       *Screen
	edit    *editor
	live    string
	status  string
	since   time.Time // of the status
	frame   int       // of the spinner
	ticking bool
	enters  int  // counts Enter keys
	entered bool // an Enter may be part of a paste
	armed   bool // another Ctrl-C leaves
	ended   bool
}

func newModel(s *Screen) *model { return &model{s: s, edit: newEditor(s.o)} }

func (m *model) Init() tea.Cmd { return m.edit.focus() }

func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.s.resize(msg.Width, msg.Height)
		m.edit.resize(msg.Width, msg.Height)
	case live:
		m.live = string(msg)
	case status:
		return m, m.setStatus(string(msg))
	case fill:
		m.edit.set(string(msg))
	case label:
		m.edit.setLabel(string(msg))
	case interrupted:
		m.interrupt()
	case ending:
		m.ended = true
		return m, tea.Quit
	case tick:
		return m, m.spin()
	case settled:
		if m.entered && int(msg) == m.enters {
			m.entered = false
			m.submit()
		}
	case tea.PasteMsg:
		m.beforeKey()
		m.edit.paste(msg.Content)
	case tea.KeyPressMsg:
		return m, m.key(msg)
	}
	return m, nil
}

// setStatus begins and ends the spinner.
func (m *model) setStatus(text string) tea.Cmd {
	if m.status == "" {
		m.since = time.Now()
	}
	m.status = text
	if text == "" || m.ticking {
		return nil
	}
	m.ticking = true
	return nextTick()
}

func nextTick() tea.Cmd {
	return tea.Tick(100*time.Millisecond, func(time.Time) tea.Msg { return tick{} })
}

func (m *model) spin() tea.Cmd {
	m.frame++
	if m.ticking = m.status != ""; !m.ticking {
		return nil
	}
	return nextTick()
}

// beforeKey is called before a key other than Enter has its effect: an Enter just before it was no hand's.
func (m *model) beforeKey() {
	if m.entered {
		m.entered = false
		m.edit.newline()
	}
	m.armed = false
}

func (m *model) key(key tea.KeyPressMsg) tea.Cmd {
	switch key.String() {
	case "enter":
		m.beforeKey()
		m.enters++
		m.entered = true
		n := m.enters
		return tea.Tick(pasteGap, func(time.Time) tea.Msg { return settled(n) })
	case "ctrl+c":
		m.interrupt()
	case "ctrl+d":
		if m.edit.empty() && !m.entered {
			m.s.leave()
			return nil
		}
		m.beforeKey()
		return m.edit.key(key)
	case "ctrl+z":
		m.beforeKey()
		return tea.Exec(suspension{m.s}, nil)
	case "ctrl+l":
		m.beforeKey()
		return tea.ClearScreen
	default:
		m.beforeKey()
		return m.edit.key(key)
	}
	return nil
}

// interrupt is Ctrl-C: it ends what is going on, else clears the line, and the second one leaves.
func (m *model) interrupt() {
	leave := m.armed
	m.entered, m.armed = false, false
	switch {
	case !m.s.asking():
		if back := m.s.takeBack(); len(back) > 0 { // they were meant for the reply that does not come
			m.edit.set(strings.Join(append(back, m.edit.value()), "\n"))
		}
		if m.s.o.Interrupt != nil {
			go m.s.o.Interrupt() // it may print
		}
	case leave:
		m.s.leave()
	default:
		m.edit.set("")
		m.armed = true
	}
}

// submit enters the prompt, unless it is not complete or empty.
func (m *model) submit() {
	if text, complete := m.edit.take(); !complete {
		m.edit.newline()
	} else if strings.TrimSpace(text) != "" {
		m.s.enter(text)
	}
}

// suspension lets the process be stopped while the terminal is as the shell wants it.
type suspension struct{ s *Screen }

func (p suspension) Run() error {
	p.s.restore()
	stopProcess()
	_, err := term.MakeRaw(int(p.s.o.In.Fd()))
	return err
}

func (suspension) SetStdin(io.Reader)  {}
func (suspension) SetStdout(io.Writer) {}
func (suspension) SetStderr(io.Writer) {}

var spinner = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// View draws all that stands below the text. At the end of the program that is nothing.
func (m *model) View() tea.View {
	if m.ended {
		return tea.NewView("")
	}
	width, height := m.s.Width(), int(m.s.height.Load())
	var above []string
	if m.live != "" {
		above = strings.Split(ansi.Hardwrap(m.live, width, true), "\n")
	}
	if m.status != "" {
		text := spinner[m.frame%len(spinner)] + " " + m.status
		if waited := time.Since(m.since).Truncate(time.Second); waited > 0 {
			text += fmt.Sprintf(", %v", waited)
		}
		above = append(above, m.faint(ansi.Truncate(text, width-1, "…")))
	}
	if !m.s.asking() {
		for _, text := range m.s.Waiting() {
			line, _, _ := strings.Cut(text, "\n")
			above = append(above, m.faint(ansi.Truncate("next: "+line, width-1, "…")))
		}
	}
	input, cursor := m.edit.view()
	hint := m.edit.hint()
	if m.armed {
		hint = "Ctrl-C again leaves, any other key goes on"
	}
	below := []string{input}
	if hint != "" {
		below = append(below, m.faint(ansi.Truncate(hint, width-1, "…")))
	}
	if room := max(0, height-len(below)-m.edit.height()); len(above) > room {
		above = above[len(above)-room:]
	}
	v := tea.NewView(strings.Join(slices.Concat(above, below), "\n"))
	if cursor != nil {
		cursor.Y += len(above)
		v.Cursor = cursor
	}
	return v
}

func (m *model) faint(text string) string {
	if m.s.o.Plain {
		return text
	}
	return Faint(text)
}

// Faint dims a line of text.
func Faint(text string) string { return "\x1b[2m" + text + "\x1b[22m" }

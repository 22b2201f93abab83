package terminal

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/textarea"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// shownTab stands for a tab in the editor, which would make spaces of it.
const shownTab = "␉"

// largePaste is the number of bytes, or of lines, from which on a paste is shown as a name of it.
const (
	largePaste      = 16 << 10
	largePasteLines = 200
)

// quotes begin and end a prompt of several lines.
const quotes = `"""`

// editor is the line editor: a text area that grows with its text, with a history, completion, and pastes of any size.
type editor struct {
	o      Options
	area   textarea.Model
	label  string
	pastes map[string]string // large ones, by what is shown for them
	at     int               // in the history; its length: the new prompt
	draft  string            // the new prompt, while an earlier one is shown
	list   []string          // what the command may become
	width  int               // of the terminal
}

func newEditor(o Options) *editor {
	e := &editor{o: o, area: textarea.New(), pastes: map[string]string{}, at: len(o.History.lines), width: 80}
	a := &e.area
	a.ShowLineNumbers, a.CharLimit, a.MaxWidth = false, 0, 0
	a.DynamicHeight, a.MinHeight, a.MaxContentHeight = true, 1, 1<<30
	a.SetVirtualCursor(false)
	plain := textarea.StyleState{}
	if !o.Plain {
		plain.Placeholder = lipgloss.NewStyle().Faint(true)
		plain.Prompt = lipgloss.NewStyle().Bold(true)
	}
	a.SetStyles(textarea.Styles{Focused: plain, Blurred: plain})
	a.KeyMap.InsertNewline = key.NewBinding(key.WithKeys("alt+enter", "shift+enter", "ctrl+j"))
	a.KeyMap.Paste.SetEnabled(false) // the terminal's is known to all
	e.setLabel("")
	return e
}

func (e *editor) focus() tea.Cmd { return e.area.Focus() }

func (e *editor) setLabel(text string) {
	e.label, e.area.Placeholder = text, ""
	if text == "" {
		e.label, e.area.Placeholder = "> ", "Ask anything; /help lists the commands"
	}
	width := ansi.StringWidth(e.label)
	e.area.SetPromptFunc(width, func(p textarea.PromptInfo) string {
		if p.LineNumber == 0 {
			return e.label
		}
		return strings.Repeat(" ", width)
	})
	e.area.SetWidth(e.width)
}

func (e *editor) resize(width, height int) {
	e.area.MaxHeight = max(1, min(height/2, 12))
	e.width = width
	e.area.SetWidth(width)
}

func (e *editor) view() (string, *tea.Cursor) { return e.area.View(), e.area.Cursor() }
func (e *editor) height() int                 { return e.area.Height() }
func (e *editor) value() string               { return e.area.Value() }
func (e *editor) empty() bool                 { return e.area.Value() == "" }
func (e *editor) newline()                    { e.area.InsertString("\n") }

// set replaces the text.
func (e *editor) set(text string) {
	e.area.SetValue(strings.ReplaceAll(text, "\t", shownTab))
	e.changed()
}

// paste inserts text as it is, however long.
func (e *editor) paste(text string) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	if lines := strings.Count(text, "\n") + 1; len(text) > largePaste || lines > largePasteLines {
		name := fmt.Sprintf("[paste %d: %d lines, %d characters]", len(e.pastes)+1, lines, utf8.RuneCountInString(text))
		e.pastes[name] = text
		text = name
	}
	e.area.InsertString(strings.ReplaceAll(string(Printable([]byte(text))), "\t", shownTab))
	e.changed()
}

// take returns the prompt and empties the editor, unless the prompt goes on.
func (e *editor) take() (text string, complete bool) {
	text = strings.ReplaceAll(e.area.Value(), shownTab, "\t")
	if text, complete = Unquote(text); !complete {
		return "", false
	}
	shown := text
	for name, pasted := range e.pastes {
		text = strings.ReplaceAll(text, name, pasted)
	}
	if len(text) > largePaste {
		shown = "" // what is so long is not for the history
	}
	if err := e.o.History.add(strings.TrimSpace(shown)); err != nil && e.o.Failed != nil {
		go e.o.Failed(err) // it may print
	}
	e.at, e.draft = len(e.o.History.lines), ""
	clear(e.pastes)
	e.set("")
	return text, true
}

// Unquote takes away the three quotes around a prompt of several lines; it is not complete if the closing ones are missing.
func Unquote(text string) (_ string, complete bool) {
	inner, quoted := strings.CutPrefix(strings.TrimLeft(text, " \n"), quotes)
	if !quoted {
		return text, true
	}
	inner, closed := strings.CutSuffix(strings.TrimRight(inner, " \n"), quotes)
	return strings.TrimPrefix(strings.TrimSuffix(inner, "\n"), "\n"), closed
}

// key takes a key that is not for the conversation.
func (e *editor) key(k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "tab":
		e.complete()
		return nil
	case "up", "ctrl+p":
		if e.area.Line() == 0 && e.area.LineInfo().RowOffset == 0 {
			e.recall(e.at - 1)
			return nil
		}
	case "down", "ctrl+n":
		if info := e.area.LineInfo(); e.area.Line() == e.area.LineCount()-1 && info.RowOffset == info.Height-1 {
			e.recall(e.at + 1)
			return nil
		}
	}
	var cmd tea.Cmd
	e.area, cmd = e.area.Update(k)
	e.changed()
	return cmd
}

// recall shows the prompt at a place in the history.
func (e *editor) recall(at int) {
	lines := e.o.History.lines
	if at < 0 || at > len(lines) {
		return
	}
	if e.at == len(lines) {
		e.draft = e.area.Value()
	}
	if e.at = at; at == len(lines) {
		e.set(e.draft)
	} else {
		e.set(lines[at])
	}
}

// changed shows where the cursor is, and finds out what the command may become.
func (e *editor) changed() {
	e.area, _ = e.area.Update(nil)
	e.list = nil
	if v := e.area.Value(); e.o.Complete != nil && strings.HasPrefix(v, "/") && !strings.Contains(v, "\n") {
		e.list = e.o.Complete(v)
	}
}

// complete goes on as far as there is no choice. Outside commands Tab is a tab.
func (e *editor) complete() {
	v := e.area.Value()
	if !strings.HasPrefix(v, "/") || strings.Contains(v, "\n") {
		e.area.InsertString(shownTab)
		return
	}
	if len(e.list) == 0 {
		return
	}
	common := e.list[0]
	for _, line := range e.list[1:] {
		for !strings.HasPrefix(line, common) {
			_, size := utf8.DecodeLastRuneInString(common)
			common = common[:len(common)-size]
		}
	}
	if len(common) > len(v) {
		e.set(common)
	}
}

// hint lists what the command may become, without what is there already.
func (e *editor) hint() string {
	v := e.area.Value()
	list := slices.DeleteFunc(slices.Clone(e.list), func(line string) bool { return line == v })
	for i, line := range list {
		if at := strings.LastIndexByte(strings.TrimRight(line, " "), ' '); at >= 0 && at <= len(v) {
			list[i] = line[at+1:]
		}
	}
	return strings.Join(list, "  ")
}

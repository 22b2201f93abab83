package main

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"gossamer/runtime/chat"
	"gossamer/tools/gossamer/internal/terminal"
)

// reply prints a reply as it comes.
type reply struct {
	t         *talk
	wrap      terminal.Wrapper
	last      byte // that was printed; 0: nothing
	faint     bool
	thinking  time.Time // since when; zero: not now
	reasoning strings.Builder
}

// show prints the events of a reply and returns the last one.
func (t *talk) show(events iter.Seq2[chat.Event, error]) (done chat.Done, err error) {
	r := &reply{t: t, wrap: terminal.Wrapper{Width: t.ui.Width}}
	defer t.ui.Status("")
	for e, err := range events {
		if err != nil {
			r.endThinking()
			r.endLine()
			return done, err
		}
		switch e := e.(type) {
		case chat.ReasoningDelta:
			r.think(e.Text)
		case chat.ContentDelta:
			r.write(e.Text)
		case chat.ItemStart:
			r.start(e)
		case chat.ToolCallDelta:
			r.write(e.Arguments)
		case chat.Done:
			done = e
		}
	}
	r.endThinking()
	r.endLine()
	if r.reasoning.Len() > 0 {
		t.reasoning = r.reasoning.String()
	}
	return done, nil
}

// start begins an item.
func (r *reply) start(e chat.ItemStart) {
	if e.Kind == chat.Reasoning {
		r.startThinking(e.Separator)
		return
	}
	r.endThinking()
	switch {
	case e.Kind == chat.Call:
		r.endLine()
		r.status("calling " + e.Name)
		r.write("[calls " + e.Name + "] ")
	case r.last == 0: // nothing is to be separated
		r.status("answering")
	default:
		r.status("answering")
		r.write(e.Separator)
	}
}

// status says what goes on; of one answer, what is printed says it.
func (r *reply) status(text string) {
	if r.t.once {
		text = ""
	}
	r.t.ui.Status(r.t.env.stdout.shown(text))
}

func (r *reply) startThinking(separator string) {
	r.thinking = time.Now()
	r.reasoning.WriteString(separator)
	r.t.ui.Status("thinking")
	if r.t.think == thinkOff {
		return
	}
	if r.endPart(); r.last != 0 {
		r.t.ui.Print("\n")
	}
	if r.t.think == thinkOn {
		r.status("thinking")
		r.t.ui.Print(r.t.faint("Thinking") + "\n")
		r.faint = true
	}
}

// think takes more of the reasoning.
func (r *reply) think(text string) {
	r.reasoning.WriteString(text)
	switch r.t.think {
	case thinkOn:
		r.write(text)
	case thinkFold:
		r.t.ui.Status("thinking: " + tail(r.t.env.stdout.shown(r.reasoning.String()), max(r.t.ui.Width()-30, 20)))
	}
}

// tail is the end of a text, in one line.
func tail(text string, most int) string {
	runes := []rune(strings.Join(strings.Fields(text[max(0, len(text)-8*most):]), " "))
	if len(runes) > most {
		runes = append([]rune("…"), runes[len(runes)-most:]...)
	}
	return string(runes)
}

// endThinking ends what is shown of the reasoning with a blank line.
func (r *reply) endThinking() {
	if r.thinking.IsZero() {
		return
	}
	switch r.t.think {
	case thinkOn:
		r.endPart()
		r.t.ui.Print("\n")
		r.last = 0
	case thinkFold:
		text := fmt.Sprintf("Thought for %v", time.Since(r.thinking).Round(100*time.Millisecond))
		if !r.t.once {
			text += ", /think shows it"
		}
		r.status("")
		r.t.ui.Print(r.t.faint(text) + "\n\n")
		r.last = 0
	}
	r.thinking, r.faint = time.Time{}, false
}

// write prints text of the model.
func (r *reply) write(text string) { r.put(r.wrap.Add(r.t.env.stdout.shown(text))) }

// endLine prints what is held back, and ends the line.
func (r *reply) endLine() {
	r.put(r.wrap.End())
	if r.last != 0 && r.last != '\n' {
		r.put(r.wrap.Add("\n"))
	}
}

// endPart ends the line and what wrapping knows of the text, such as that a block of code is open.
func (r *reply) endPart() {
	r.endLine()
	r.wrap = terminal.Wrapper{Width: r.t.ui.Width}
}

func (r *reply) put(text string) {
	if text == "" {
		return
	}
	r.last = text[len(text)-1]
	if r.faint {
		var b strings.Builder
		for line := range strings.Lines(text) {
			body, end := strings.CutSuffix(line, "\n")
			b.WriteString(r.t.faint(body))
			if end {
				b.WriteByte('\n')
			}
		}
		text = b.String()
	}
	r.t.ui.Print(text)
}

package harmony

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"gossamer/runtime/tokenizer"
)

// Mode says what a rendered conversation is for.
type Mode int

const (
	ForCompletion   Mode = iota // ends with <|start|> and Options.NextRole: the model goes on from here
	ForConversation             // the messages, nothing after them
	ForTraining                 // ForConversation, but a last answer ends with <|return|>, as the model is to write it
)

// Drop says which reasoning of earlier turns is left out. Calls, their results and preambles always stay.
type Drop int

const (
	// DropFinished leaves out the reasoning before the last answer: of all turns that are over. Reasoning since then stays,
	// because it belongs to calls that wait for results. This is what OpenAI's guide asks for (docs/format.md, "Handling
	// reasoning output in subsequent sampling").
	DropFinished Drop = iota
	// DropOfficial is auto_drop_analysis of OpenAI's crate: if the last message of the assistant is an answer, everything on
	// the analysis channel before the first answer is left out, calls too; else nothing is.
	DropOfficial
	// DropNothing keeps all messages.
	DropNothing
)

// Options say how to render. The zero value is what a server wants.
type Options struct {
	Mode     Mode
	NextRole Role // who speaks next in ForCompletion; Assistant if empty
	Drop     Drop
	// Begin, if not nil, is the header that the next message gets (its author is NextRole): the model writes only the content.
	// Give it to the Parser as well.
	Begin *Header
}

// Render returns the tokens of a conversation. Only what it adds itself becomes markers; whatever texts, names, tools and
// schemas contain is encoded as ordinary text, each part for itself.
//
// Messages before a point in the conversation yield the same tokens whatever follows, as long as the same ones are dropped and
// the same conversation has (or hasn't) functions: a longer conversation can go on from a shorter one's key/value cache.
//
// Once ctx has ended, Render returns its error: texts of some megabytes take seconds.
func Render(ctx context.Context, tok *tokenizer.Tokenizer, messages []Message, o Options) ([]int32, error) {
	r := renderer{ctx: ctx, tok: tok, hasFunctions: slices.ContainsFunc(messages, definesFunctions)}
	keep := keeper(messages, o.Drop)
	for i := range messages {
		if !keep(i) {
			continue
		}
		if err := r.message(&messages[i]); err != nil {
			return nil, fmt.Errorf("harmony: message %d: %w", i, err)
		}
		if r.ended != nil {
			return nil, r.ended
		}
	}
	switch o.Mode {
	case ForCompletion:
		if err := r.next(&o); err != nil {
			return nil, fmt.Errorf("harmony: next message: %w", err)
		}
	case ForTraining:
		if n := len(messages); n > 0 && isFinal(&messages[n-1]) {
			r.tokens[len(r.tokens)-1] = tokenizer.Return
		}
	}
	return r.tokens, r.ended
}

func isFinal(m *Message) bool { return m.Author.Role == Assistant && m.Channel == Final }

// keeper returns which messages are rendered.
func keeper(messages []Message, drop Drop) func(i int) bool {
	all := func(int) bool { return true }
	switch drop {
	case DropFinished:
		last := -1
		for i := range messages {
			if isFinal(&messages[i]) {
				last = i
			}
		}
		return func(i int) bool { return i > last || messages[i].Kind() != Reasoning }
	case DropOfficial:
		// openai/harmony src/encoding.rs, render_conversation_into.
		last := len(messages) - 1
		for last >= 0 && messages[last].Author.Role != Assistant {
			last--
		}
		if last < 0 || messages[last].Channel != Final {
			return all
		}
		first := slices.IndexFunc(messages, func(m Message) bool { return m.Channel == Final })
		return func(i int) bool { return i > first || messages[i].Channel != Analysis }
	}
	return all
}

func definesFunctions(m Message) bool {
	for _, c := range m.Content {
		if d, ok := c.(*DeveloperContent); ok {
			for _, ns := range d.Tools {
				if ns.Name == functions && len(ns.Functions) > 0 {
					return true
				}
			}
		}
	}
	return false
}

// complaint is an error in the words of OpenAI's crate, so that both can be compared.
type complaint string

func (c complaint) Error() string { return string(c) }

// renderer writes messages; see openai/harmony src/encoding.rs, impl Render.
type renderer struct {
	ctx          context.Context
	ended        error // ctx's error; no text is complete since then
	tok          *tokenizer.Tokenizer
	tokens       []int32
	hasFunctions bool // some developer message has functions; the system message then says where calls go
}

func (r *renderer) text(s string) {
	if s == "" || r.ended != nil {
		return
	}
	var ids []int32
	ids, r.ended = r.tok.EncodeContext(r.ctx, s)
	r.tokens = append(r.tokens, ids...)
}

func (r *renderer) message(m *Message) error {
	if err := r.header(&m.Header); err != nil {
		return err
	}
	r.tokens = append(r.tokens, tokenizer.Message)
	for _, c := range m.Content {
		if err := r.content(m.Author.Role, c); err != nil {
			return err
		}
	}
	if m.Author.Role == Assistant && m.Recipient != "" {
		r.tokens = append(r.tokens, tokenizer.Call)
	} else {
		r.tokens = append(r.tokens, tokenizer.End)
	}
	return nil
}

// next begins the message that the model writes.
func (r *renderer) next(o *Options) error {
	role := cmp.Or(o.NextRole, Assistant)
	if o.Begin == nil {
		r.tokens = append(r.tokens, tokenizer.Start)
		r.text(string(role))
		return nil
	}
	h := *o.Begin
	h.Author.Role = role
	if err := r.header(&h); err != nil {
		return err
	}
	r.tokens = append(r.tokens, tokenizer.Message)
	return nil
}

// header writes <|start|> and everything up to <|message|>, which it leaves to the caller.
func (r *renderer) header(h *Header) error {
	if !knownRole(h.Author.Role) {
		return fmt.Errorf("unknown role %q: want one of %v", h.Author.Role, roles())
	}
	r.tokens = append(r.tokens, tokenizer.Start)
	switch {
	case h.Author.Role != Tool:
		r.text(string(h.Author.Role))
		if h.Author.Name != "" {
			r.text(":" + h.Author.Name)
		}
	case h.Author.Name == "":
		return complaint("Tools should have a name!")
	default:
		r.text(h.Author.Name)
	}
	if h.Recipient != "" && h.Recipient != "all" {
		r.text(" to=" + h.Recipient)
	}
	if h.Channel != "" {
		r.tokens = append(r.tokens, tokenizer.Channel)
		r.text(h.Channel)
	}
	if rest, ok := strings.CutPrefix(h.ContentType, constrainMarker); ok {
		r.text(" ")
		r.tokens = append(r.tokens, tokenizer.Constrain)
		r.text(rest)
	} else if h.ContentType != "" {
		r.text(" " + h.ContentType)
	}
	return nil
}

func (r *renderer) content(role Role, c Content) error {
	switch c := c.(type) {
	case Text:
		r.text(string(c))
		return nil
	case *SystemContent:
		if role != System {
			return complaint("SystemContent may only appear in system messages, found in " + crateName(role))
		}
		text, err := systemText(c, r.hasFunctions)
		r.text(text)
		return err
	case *DeveloperContent:
		if role != Developer {
			return complaint("DeveloperContent may only appear in developer messages, found in " + crateName(role))
		}
		text, err := developerText(c)
		r.text(text)
		return err
	}
	return fmt.Errorf("content of type %T: want Text, *SystemContent or *DeveloperContent", c)
}

// crateName is the name that OpenAI's crate gives a role in messages.
func crateName(r Role) string { return strings.ToUpper(string(r[:1])) + string(r[1:]) }

func systemText(s *SystemContent, hasFunctions bool) (string, error) {
	var sections, top []string
	for _, line := range []struct {
		label string
		text  *string
	}{{"", s.ModelIdentity}, {"Knowledge cutoff: ", s.KnowledgeCutoff}, {"Current date: ", s.ConversationStart}} {
		if line.text != nil {
			top = append(top, line.label+*line.text)
		}
	}
	if len(top) > 0 {
		sections = append(sections, strings.Join(top, "\n"))
	}
	if s.ReasoningEffort != "" {
		sections = append(sections, "Reasoning: "+string(s.ReasoningEffort))
	}
	if len(s.Tools) > 0 {
		tools, err := toolsSection(s.Tools)
		if err != nil {
			return "", err
		}
		sections = append(sections, tools)
	}
	if len(s.ValidChannels) > 0 {
		channels := "# Valid channels: " + strings.Join(s.ValidChannels, ", ") + "."
		if s.ChannelRequired {
			channels += " Channel must be included for every message."
		}
		if hasFunctions {
			channels += "\nCalls to these tools must go to the commentary channel: 'functions'."
		}
		sections = append(sections, channels)
	}
	return strings.Join(sections, "\n\n"), nil
}

func developerText(d *DeveloperContent) (string, error) {
	var sections []string
	if d.Instructions != nil {
		sections = append(sections, "# Instructions", *d.Instructions)
	}
	if len(d.Tools) > 0 {
		tools, err := toolsSection(d.Tools)
		if err != nil {
			return "", err
		}
		sections = append(sections, tools)
	}
	if len(d.ResponseFormats) > 0 {
		formats, err := responseFormats(d.ResponseFormats)
		if err != nil {
			return "", err
		}
		sections = append(sections, formats)
	}
	return strings.Join(sections, "\n\n"), nil
}

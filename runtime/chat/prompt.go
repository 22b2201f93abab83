package chat

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer"
)

// prompt is a rendered Request.
type prompt struct {
	tokens []int32
	shared int             // length of the system and developer messages, which other conversations may begin with too
	names  *toolNames      // of the tools
	tools  []string        // recipients that exist
	begin  *harmony.Header // of the answer, if the model does not reason
	begun  []int32         // of the reply, at the end of tokens
}

// conversation turns a request into messages, of which the first ones, system and developer, are counted. Their tokens are still
// missing in the prompt.
func (c *Completer) conversation(ctx context.Context, r *Request) (p *prompt, messages []harmony.Message, leading int, err error) {
	if err := r.check(c.vocab.ids); err != nil {
		return nil, nil, 0, err
	}
	p = &prompt{names: newToolNames()}
	tools, err := r.functions(p.names)
	if err != nil {
		return nil, nil, 0, err
	}
	for _, f := range tools {
		p.tools = append(p.tools, functionsPrefix+f.Name)
	}

	date := cmp.Or(r.Date, c.clock().Format(time.DateOnly))
	effort := cmp.Or(r.Effort, Medium)
	if effort == None {
		effort, p.begin = Low, &harmony.Header{Author: harmony.Author{Role: harmony.Assistant}, Channel: harmony.Final}
	}
	messages = []harmony.Message{{
		Header:  harmony.Header{Author: harmony.Author{Role: harmony.System}},
		Content: []harmony.Content{harmony.DefaultSystem(harmony.Effort(effort), date)},
	}}
	if d := r.developer(tools); d != nil {
		messages = append(messages, harmony.Message{
			Header:  harmony.Header{Author: harmony.Author{Role: harmony.Developer}},
			Content: []harmony.Content{d},
		})
	}
	leading = len(messages)
	history := *r
	if r.Continue {
		if p.begun, err = c.begun(ctx, r, p.begin != nil); err != nil {
			return nil, nil, 0, err
		}
		history.Messages = r.Messages[:len(r.Messages)-1]
	}
	messages, err = history.history(messages, p.names)
	return p, messages, leading, err
}

// begun returns the tokens of a reply's beginning, which is the last message. answering: the prompt has the header of the answer already.
func (c *Completer) begun(ctx context.Context, r *Request, answering bool) ([]int32, error) {
	n := len(r.Messages) - 1
	if n < 1 {
		return nil, refuse("Messages", "want a message before the one that is continued")
	}
	field := fmt.Sprintf("Messages[%d]", n)
	m := &r.Messages[n]
	switch {
	case m.Role != Assistant:
		return nil, refuse(field+".Role", "is %q, but only what the assistant says is continued", m.Role)
	case len(m.ToolCalls) > 0:
		return nil, refuse(field+".ToolCalls", "are calls, which are not continued: leave them out")
	case m.Reasoning == "" && m.Content == "":
		return nil, refuse(field+".Content", "is empty: there is nothing to continue")
	case answering && m.Reasoning != "":
		return nil, refuse(field+".Reasoning", "is some, but Effort is none")
	case answering:
		return c.tok.EncodeContext(ctx, m.Content)
	}
	var ids []int32
	var ended error
	say := func(channel, text string) {
		ids = append(append(append(ids, tokenizer.Channel), c.tok.Encode(channel)...), tokenizer.Message)
		more, err := c.tok.EncodeContext(ctx, text)
		ids, ended = append(ids, more...), cmp.Or(ended, err)
	}
	if m.Reasoning != "" {
		say(harmony.Analysis, m.Reasoning)
	}
	if m.Content != "" {
		if m.Reasoning != "" {
			ids = append(append(ids, tokenizer.End, tokenizer.Start), c.tok.Encode(string(harmony.Assistant))...)
		}
		say(harmony.Final, m.Content)
	}
	return ids, ended
}

// render turns a request into tokens.
func (c *Completer) render(ctx context.Context, r *Request) (*prompt, error) {
	p, messages, leading, err := c.conversation(ctx, r)
	if err != nil {
		return nil, err
	}
	if p.tokens, err = c.tokens(ctx, r, messages, p.begin); err != nil {
		return nil, err
	}
	p.tokens = append(p.tokens, p.begun...)
	for i, id := range p.tokens {
		if id == tokenizer.Start {
			if leading--; leading < 0 {
				p.shared = i
				break
			}
		}
	}
	return p, nil
}

// tokens are those of some of a request's messages. What can be wrong with them is a schema, as one that is nested too deeply.
func (c *Completer) tokens(ctx context.Context, r *Request, messages []harmony.Message, begin *harmony.Header) ([]int32, error) {
	tokens, err := harmony.Render(ctx, c.tok, messages, harmony.Options{Begin: begin})
	if err == nil || ctx.Err() != nil {
		return tokens, err
	}
	field, format := "Tools", Request{Format: r.Format}
	if d := format.developer(nil); d != nil {
		alone := harmony.Message{Header: harmony.Header{Author: harmony.Author{Role: harmony.Developer}}, Content: []harmony.Content{d}}
		if _, err := harmony.Render(ctx, c.tok, []harmony.Message{alone}, harmony.Options{}); err != nil {
			field = "Format.Schema"
		}
	}
	_, reason, _ := strings.Cut(strings.TrimPrefix(err.Error(), "harmony: "), ": ") // the number of the message is none of the request's
	return nil, refuse(field, "%s", reason)
}

// developer gathers instructions, tools and response format; nil if there are none.
func (r *Request) developer(tools []harmony.Function) *harmony.DeveloperContent {
	var instructions []string
	if r.Instructions != "" {
		instructions = append(instructions, r.Instructions)
	}
	for _, m := range r.Messages {
		if (m.Role == System || m.Role == Developer) && m.Content != "" {
			instructions = append(instructions, m.Content)
		}
	}
	d := &harmony.DeveloperContent{}
	if len(instructions) > 0 {
		d.Instructions = new(strings.Join(instructions, "\n\n"))
	}
	if len(tools) > 0 {
		d.Tools = []harmony.Namespace{{Name: "functions", Functions: tools}}
	}
	if f := r.Format; f != nil {
		if name, schema := f.shown(); schema != nil {
			d.ResponseFormats = []harmony.ResponseFormat{{Name: name, Description: f.Description, Schema: schema}}
		}
	}
	if d.Instructions == nil && d.Tools == nil && d.ResponseFormats == nil {
		return nil
	}
	return d
}

// history appends the conversation's messages.
func (r *Request) history(to []harmony.Message, names *toolNames) ([]harmony.Message, error) {
	if len(r.Messages) == 0 {
		return nil, refuse("Messages", "is empty")
	}
	calls := map[string][]string{} // names of functions by the id of their calls: of several with one id, in their order
	for i, m := range r.Messages {
		field := func(name string) string { return fmt.Sprintf("Messages[%d].%s", i, name) }
		if err := m.check(field); err != nil {
			return nil, err
		}
		switch m.Role {
		case User:
			to = append(to, harmony.NewText(harmony.Header{Author: harmony.Author{Role: harmony.User, Name: m.Name}}, m.Content))
		case Assistant:
			to = m.appendAssistant(to, names)
			for _, call := range m.ToolCalls {
				delete(calls, call.ID)
			}
			for _, call := range m.ToolCalls {
				calls[call.ID] = append(calls[call.ID], call.Name)
			}
		case Tool:
			name, called := m.Name, calls[m.ToolCallID]
			switch {
			case len(called) > 1:
				name, calls[m.ToolCallID] = called[0], called[1:]
			case len(called) == 1:
				name = called[0]
			case m.Name != "":
			case m.ToolCallID != "":
				return nil, refuse(field("ToolCallID"), "no call before has the id %q", m.ToolCallID)
			default:
				return nil, refuse(field("ToolCallID"), "is empty: whose result is it?")
			}
			to = append(to, harmony.NewText(harmony.Header{
				Author:    harmony.Author{Role: harmony.Tool, Name: functionsPrefix + names.show(name)},
				Recipient: "assistant",
				Channel:   harmony.Commentary,
			}, m.Content))
		}
	}
	return to, nil
}

// check refuses what a message of its role cannot have. Calls may have any name, since it is the model that wrote them.
func (m *Message) check(field func(string) string) error {
	switch m.Role {
	case System, Developer, User, Assistant, Tool:
	default:
		return refuse(field("Role"), "is %q, want system, developer, user, assistant or tool", m.Role)
	}
	// Only a user's name becomes part of a header as it is.
	if m.Role == User && (utf8.RuneCountInString(m.Name) > maxNameBytes || strings.ContainsFunc(m.Name, notInName)) {
		return refuse(field("Name"), `is %q, want 1 to %d letters, digits, "_", "-" or "."`, m.Name, maxNameBytes)
	}
	if m.Role != Assistant && (m.Reasoning != "" || len(m.ToolCalls) > 0) {
		return refuse(field("Role"), "is %q, but Reasoning and ToolCalls are the assistant's", m.Role)
	}
	if m.Role != Tool && m.ToolCallID != "" {
		return refuse(field("ToolCallID"), "is for messages of tools")
	}
	return nil
}

// notInName reports characters that OpenAI's API refuses in names of users: they would break a header.
func notInName(c rune) bool {
	return unicode.IsSpace(c) || unicode.IsControl(c) || c == utf8.RuneError || strings.ContainsRune("<|>/\\", c)
}

// appendAssistant writes an assistant's message as harmony has it: reasoning, then the answer, or what the user may read before
// calls and the calls.
func (m *Message) appendAssistant(to []harmony.Message, names *toolNames) []harmony.Message {
	say := func(channel, text string) {
		to = append(to, harmony.NewText(harmony.Header{Author: harmony.Author{Role: harmony.Assistant}, Channel: channel}, text))
	}
	if m.Reasoning != "" {
		say(harmony.Analysis, m.Reasoning)
	}
	switch {
	case len(m.ToolCalls) > 0:
		if m.Content != "" {
			say(harmony.Commentary, m.Content)
		}
		for _, call := range m.ToolCalls {
			to = append(to, harmony.NewText(*callHeader(names.show(call.Name)), call.Arguments))
		}
	case m.Content != "" || m.Reasoning == "": // a reply may have been cut off while it reasoned
		say(harmony.Final, m.Content)
	}
	return to
}

package chat

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer"
)

// prompt is a rendered Request.
type prompt struct {
	tokens []int32
	shared int               // length of the system and developer messages, which other conversations may begin with too
	names  *toolNames        // of the tools
	tools  []string          // recipients that exist
	begin  *harmony.Header   // of the call that the model must make, if it is known
	begins []*harmony.Header // of the calls among which the model must choose one
}

// render turns a request into tokens.
func (c *Completer) render(r *Request) (*prompt, error) {
	if err := r.check(c.vocab); err != nil {
		return nil, err
	}
	p := &prompt{names: &toolNames{given: map[string]string{}, shown: map[string]string{}}}
	tools, err := r.functions(p.names)
	if err != nil {
		return nil, err
	}
	for _, f := range tools {
		p.tools = append(p.tools, functionsPrefix+f.Name)
		switch r.ToolChoice.Mode {
		case ChoiceNamed:
			if f.Name == p.names.show(r.ToolChoice.Name) {
				p.begin = callHeader(f.Name)
			}
		case ChoiceRequired:
			p.begins = append(p.begins, callHeader(f.Name))
		}
	}
	if len(p.begins) == 1 {
		p.begin, p.begins = p.begins[0], nil
	}

	date := cmp.Or(r.Date, c.clock().Format(time.DateOnly))
	effort := harmony.Effort(cmp.Or(r.Effort, Medium))
	conversation := []harmony.Message{{
		Header:  harmony.Header{Author: harmony.Author{Role: harmony.System}},
		Content: []harmony.Content{harmony.DefaultSystem(effort, date)},
	}}
	if d := r.developer(tools); d != nil {
		conversation = append(conversation, harmony.Message{
			Header:  harmony.Header{Author: harmony.Author{Role: harmony.Developer}},
			Content: []harmony.Content{d},
		})
	}
	leading := len(conversation)
	if conversation, err = r.history(conversation, p.names); err != nil {
		return nil, err
	}
	if p.tokens, err = harmony.Render(c.tok, conversation, harmony.Options{Begin: p.begin}); err != nil {
		return nil, err
	}
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
		d.ResponseFormats = []harmony.ResponseFormat{{Name: f.Name, Description: f.Description, Schema: f.Schema}}
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
	calls := map[string]string{} // names of functions by the id of their calls
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
				calls[call.ID] = call.Name
			}
		case Tool:
			name, ok := calls[m.ToolCallID]
			switch {
			case !ok && m.ToolCallID != "":
				return nil, refuse(field("ToolCallID"), "no call before has the id %q", m.ToolCallID)
			case !ok && m.Name == "":
				return nil, refuse(field("ToolCallID"), "is empty: whose result is it?")
			case !ok:
				name = m.Name
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

// check refuses what a message of its role cannot have.
func (m *Message) check(field func(string) string) error {
	switch m.Role {
	case System, Developer, User, Assistant, Tool:
	default:
		return refuse(field("Role"), "is %q, want system, developer, user, assistant or tool", m.Role)
	}
	if m.Name != "" && m.Role != User && m.Role != Tool {
		return refuse(field("Name"), "is for messages of users and tools")
	}
	if m.Name != "" {
		if err := checkName(field("Name"), m.Name); err != nil {
			return err
		}
	}
	if m.Role != Assistant && (m.Reasoning != "" || len(m.ToolCalls) > 0) {
		return refuse(field("Role"), "is %q, but Reasoning and ToolCalls are the assistant's", m.Role)
	}
	if m.Role != Tool && m.ToolCallID != "" {
		return refuse(field("ToolCallID"), "is for messages of tools")
	}
	for j, call := range m.ToolCalls {
		if err := checkName(field(fmt.Sprintf("ToolCalls[%d].Name", j)), call.Name); err != nil {
			return err
		}
	}
	return nil
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

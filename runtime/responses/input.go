package responses

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// Item is an item of a conversation: of an input or an output. Which fields it has depends on its type.
type Item struct {
	Type      string  `json:"type"` // one of the constants below
	ID        string  `json:"id,omitempty"`
	Status    string  `json:"status,omitempty"`
	Role      string  `json:"role,omitempty"`              // of a message
	Phase     string  `json:"phase,omitempty"`             // of an assistant's message: "commentary" before calls, or "final_answer"
	Content   *[]Part `json:"content,omitempty"`           // of a message, and of reasoning
	Summary   *[]Part `json:"summary,omitempty"`           // of reasoning, which has none: []
	Encrypted string  `json:"encrypted_content,omitempty"` // of reasoning, if asked for
	CallID    string  `json:"call_id,omitempty"`           // of a function call and its output
	Name      string  `json:"name,omitempty"`              // of a function call
	Arguments *string `json:"arguments,omitempty"`         // of a function call: JSON as the model wrote it
	Output    *string `json:"output,omitempty"`            // of a function call output
}

// Types of items.
const (
	typeMessage   = "message"
	typeReasoning = "reasoning"
	typeCall      = "function_call"
	typeOutput    = "function_call_output"
	typeReference = "item_reference" // to an item that the server keeps
)

// Part is a part of an item's content.
type Part struct {
	Type        string               `json:"type"` // "input_text", "output_text" or "reasoning_text"
	Text        string               `json:"text"`
	Annotations *[]struct{}          `json:"annotations,omitempty"` // of output_text: []
	Logprobs    *[]wire.TokenLogprob `json:"logprobs,omitempty"`    // of output_text
}

// encryption marks text that was sent as encrypted_content. It is not secret: it comes from who reads it.
const encryption = "gossamer:"

func encrypt(text string) string {
	return encryption + base64.StdEncoding.EncodeToString([]byte(text))
}

// decrypt returns the text of what encrypt has made, and "" for what others have.
func decrypt(content string) string {
	encoded, ok := strings.CutPrefix(content, encryption)
	text, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return ""
	}
	return string(text)
}

// decodeInput reads text, or items.
func decodeInput(v wire.Value) (items []Item, err error) {
	if v.Kind() == '"' {
		text, err := v.Text()
		return []Item{{Type: typeMessage, Role: string(chat.User), Content: &[]Part{{Type: "input_text", Text: text}}}}, err
	}
	return items, v.Array(func(v wire.Value) error {
		i, known, err := decodeItem(v)
		if known {
			items = append(items, i)
		}
		return err
	})
}

// decodeItem reads an item. Those of tools that others host are left out.
func decodeItem(v wire.Value) (i Item, known bool, err error) {
	o, err := v.Object()
	if err != nil {
		return i, false, err
	}
	i.Type = typeMessage // what has a role and no type is a message
	if kind, ok := o.Get("type"); ok {
		if i.Type, err = kind.Text(); err != nil {
			return i, false, err
		}
	}
	fields := wire.Fields{"type": wire.NoEffect, "id": wire.Text(&i.ID), "status": wire.NoEffect, "cache_control": wire.NoEffect}
	var required []string
	switch i.Type {
	case typeMessage:
		fields["role"], fields["content"], fields["phase"] = wire.Text(&i.Role), texts(&i.Content, "input_text", "output_text", "text"), wire.Text(&i.Phase)
		required = []string{"role", "content"}
	case typeReasoning:
		fields["content"], fields["summary"] = texts(&i.Content, "reasoning_text"), texts(&i.Summary, "summary_text")
		fields["encrypted_content"] = wire.Text(&i.Encrypted)
	case typeCall:
		i.Arguments = new(string)
		fields["call_id"], fields["name"], fields["arguments"] = wire.Text(&i.CallID), wire.Text(&i.Name), wire.Text(i.Arguments)
		fields["parsed_arguments"], fields["namespace"] = wire.NoEffect, wire.NoEffect
		required = []string{"call_id", "name", "arguments"}
	case typeOutput:
		var parts *[]Part
		fields["call_id"], fields["name"], fields["output"] = wire.Text(&i.CallID), wire.NoEffect, texts(&parts, "input_text", "output_text", "text")
		err = o.Read(fields, "call_id", "output")
		if err == nil {
			i.Output = new(text(parts))
		}
		return i, err == nil, err
	case typeReference:
		required = []string{"id"}
	default:
		if kind := o.Field("type"); !v.Ignore("input[" + i.Type + "]") {
			return i, false, kind.Refuse(wire.CodeUnsupported, "is %q, want message, reasoning, function_call, function_call_output or item_reference", i.Type)
		}
		return i, false, nil
	}
	if err := o.Read(fields, required...); err != nil {
		return i, false, err
	}
	switch role := chat.Role(i.Role); {
	case i.Type == typeMessage && role != chat.System && role != chat.Developer && role != chat.User && role != chat.Assistant:
		return i, false, o.Field("role").Refuse(wire.CodeValue, "is %q, want system, developer, user or assistant", i.Role)
	case i.Type == typeReasoning && text(i.Content) == "":
		if t := decrypt(i.Encrypted); t != "" {
			i.Content = &[]Part{{Type: "reasoning_text", Text: t}}
		}
	}
	return i, true, nil
}

// texts stores text, or parts of the given types, of which the first is that of text.
func texts(dst **[]Part, types ...string) func(wire.Value) error {
	return func(v wire.Value) error {
		parts := []Part{}
		*dst = &parts
		if v.Kind() == '"' {
			s, err := v.Text()
			parts = append(parts, Part{Type: types[0], Text: s})
			return err
		}
		return v.Array(func(v wire.Value) error {
			o, err := v.Object()
			if err != nil {
				return err
			}
			p := Part{Type: types[0]}
			if kind, ok := o.Get("type"); ok { // before the others, which depend on it
				if p.Type, err = kind.Text(); err != nil {
					return err
				}
			}
			known := wire.Fields{
				"type": wire.NoEffect, "text": wire.Text(&p.Text), "annotations": wire.NoEffect, "logprobs": wire.NoEffect, "parsed": wire.NoEffect,
				"cache_control": wire.NoEffect,
			}
			switch {
			case p.Type == "refusal":
				known["refusal"] = wire.Text(&p.Text)
				err = o.Read(known, "refusal")
			case slices.Contains(types, p.Type):
				err = o.Read(known, "text")
			default:
				err = o.Field("type").Refuse(wire.CodeUnsupported, "is %q, want %s: the model reads text", p.Type, strings.Join(types, ", "))
			}
			parts = append(parts, p)
			return err
		})
	}
}

// text is that of parts, joined by line breaks.
func text(parts *[]Part) string {
	if parts == nil {
		return ""
	}
	var all []string
	for _, p := range *parts {
		all = append(all, p.Text)
	}
	return strings.Join(all, "\n")
}

// Converse puts the conversation of the request together: history are the items from before, to which the input is added. find returns an item
// that is kept by its id; each may be referred to once.
func (r *Request) Converse(history []Item, find func(id string) (Item, bool)) error {
	referred := map[string]bool{}
	for i, item := range r.Input {
		if item.Type != typeReference {
			continue
		}
		kept, ok := find(item.ID)
		reason := "there is no item " + strconv.Quote(item.ID) + ": give the item itself"
		if ok && referred[item.ID] { // so that a request gets no larger than it and what is kept
			ok, reason = false, "refers to an item for the second time"
		}
		if !ok {
			return &wire.FieldError{Param: "input[" + strconv.Itoa(i) + "].id", Code: wire.CodeValue, Reason: reason}
		}
		referred[item.ID], r.Input[i] = true, kept
	}
	c := conversation{request: r}
	for _, item := range history {
		c.add(item, -1)
	}
	for i, item := range r.Input {
		c.add(item, i)
	}
	c.end()
	return nil
}

// conversation puts items together to messages: what the assistant says in a row, thinks and calls is one.
type conversation struct {
	request *Request
	open    *chat.Message // of the assistant, without its texts
	origin  int

	thoughts, texts []string // of the open one
}

func (c *conversation) end() {
	if c.open != nil {
		c.open.Reasoning, c.open.Content = strings.Join(c.thoughts, paragraph), strings.Join(c.texts, paragraph)
		c.append(*c.open, c.origin)
		c.open, c.thoughts, c.texts = nil, nil, nil
	}
}

func (c *conversation) append(m chat.Message, origin int) {
	c.request.Chat.Messages = append(c.request.Chat.Messages, m)
	c.request.origins = append(c.request.origins, origin)
}

func (c *conversation) add(i Item, origin int) {
	assistant := i.Type == typeReasoning || i.Type == typeCall || i.Type == typeMessage && i.Role == string(chat.Assistant)
	if !assistant {
		c.end()
	} else if c.open == nil {
		c.open, c.origin = &chat.Message{Role: chat.Assistant}, origin
	}
	switch i.Type {
	case typeReasoning:
		c.thoughts = appendText(c.thoughts, i.Content)
	case typeCall:
		c.open.ToolCalls = append(c.open.ToolCalls, chat.ToolCall{ID: i.CallID, Name: i.Name, Arguments: *i.Arguments})
	case typeOutput:
		c.append(chat.Message{Role: chat.Tool, ToolCallID: i.CallID, Content: *i.Output}, origin)
	case typeMessage:
		if assistant {
			c.texts = appendText(c.texts, i.Content)
			return
		}
		c.append(chat.Message{Role: chat.Role(i.Role), Content: text(i.Content)}, origin)
	}
}

// paragraph joins the texts of a message. They are joined once, at its end: there may be very many.
const paragraph = "\n\n"

// appendText adds the text of parts, if there is any.
func appendText(all []string, parts *[]Part) []string {
	if s := text(parts); s != "" {
		return append(all, s)
	}
	return all
}

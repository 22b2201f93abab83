package harmony

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gossamer/runtime/jsonerror"
	"gossamer/runtime/tokenizer"
)

// This file reads and writes conversations in the JSON form of OpenAI's harmony packages (openai/harmony src/chat.rs and
// python/openai_harmony), for comparison with them. No API uses it.

type jsonMessage struct {
	Role        Role            `json:"role"`
	Name        string          `json:"name,omitempty"`
	Recipient   string          `json:"recipient,omitempty"`
	Content     json.RawMessage `json:"content"` // a string, or a list of parts
	Channel     string          `json:"channel,omitempty"`
	ContentType string          `json:"content_type,omitempty"`
}

// jsonPart holds the fields of all three types of content.
type jsonPart struct {
	Type string `json:"type"`

	Text *string `json:"text,omitempty"` // type "text"

	// Type "system_content".
	ModelIdentity     *string            `json:"model_identity,omitempty"`
	ReasoningEffort   *string            `json:"reasoning_effort,omitempty"` // "Low", "Medium" or "High"
	ConversationStart *string            `json:"conversation_start_date,omitempty"`
	KnowledgeCutoff   *string            `json:"knowledge_cutoff,omitempty"`
	ChannelConfig     *jsonChannelConfig `json:"channel_config,omitempty"`

	Instructions *string `json:"instructions,omitempty"` // type "developer_content"

	Tools map[string]jsonNamespace `json:"tools,omitempty"` // both
}

type jsonChannelConfig struct {
	ValidChannels   []string `json:"valid_channels"`
	ChannelRequired bool     `json:"channel_required"`
}

type jsonNamespace struct {
	Name        string         `json:"name"`
	Description *string        `json:"description"`
	Tools       []jsonFunction `json:"tools"`
}

type jsonFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"` // raw, because the order of its keys counts
}

// decodeMessages reads a list of messages in the JSON form of OpenAI's harmony packages.
func decodeMessages(data []byte) ([]Message, error) {
	var list []jsonMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("harmony: messages: %w", jsonerror.Plain(err))
	}
	messages := make([]Message, len(list))
	for i, m := range list {
		if !knownRole(m.Role) {
			return nil, fmt.Errorf("harmony: message %d: unknown role %q: want one of %v", i, m.Role, roles())
		}
		content, err := decodeContent(m.Content)
		if err != nil {
			return nil, fmt.Errorf("harmony: message %d: content: %w", i, err)
		}
		messages[i] = Message{
			Header: Header{
				Author:      Author{Role: m.Role, Name: m.Name},
				Recipient:   m.Recipient,
				Channel:     m.Channel,
				ContentType: m.ContentType,
			},
			Content: content,
		}
	}
	return messages, nil
}

func decodeContent(data json.RawMessage) ([]Content, error) {
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '"' {
		var s string
		err := json.Unmarshal(data, &s)
		return []Content{Text(s)}, err
	}
	var parts []jsonPart
	if err := json.Unmarshal(data, &parts); err != nil {
		return nil, jsonerror.Plain(err)
	}
	content := make([]Content, len(parts))
	for i, p := range parts {
		switch p.Type {
		case "text":
			if p.Text == nil {
				return nil, fmt.Errorf("part %d has no text", i)
			}
			content[i] = Text(*p.Text)
		case "system_content":
			s := &SystemContent{
				ModelIdentity:     p.ModelIdentity,
				KnowledgeCutoff:   p.KnowledgeCutoff,
				ConversationStart: p.ConversationStart,
				Tools:             decodeTools(p.Tools),
			}
			if p.ReasoningEffort != nil {
				s.ReasoningEffort = Effort(strings.ToLower(*p.ReasoningEffort))
				if !slices.Contains([]Effort{Low, Medium, High}, s.ReasoningEffort) {
					return nil, fmt.Errorf("part %d: unknown reasoning effort %q: want Low, Medium or High", i, *p.ReasoningEffort)
				}
			}
			if c := p.ChannelConfig; c != nil {
				s.ValidChannels, s.ChannelRequired = c.ValidChannels, c.ChannelRequired
			}
			content[i] = s
		case "developer_content":
			content[i] = &DeveloperContent{Instructions: p.Instructions, Tools: decodeTools(p.Tools)}
		default:
			return nil, fmt.Errorf("part %d has the unknown type %q: want text, system_content or developer_content", i, p.Type)
		}
	}
	return content, nil
}

func decodeTools(tools map[string]jsonNamespace) []Namespace {
	var namespaces []Namespace
	for _, t := range tools {
		ns := Namespace{Name: t.Name}
		if t.Description != nil {
			ns.Description = *t.Description
		}
		for _, f := range t.Tools {
			ns.Functions = append(ns.Functions, Function(f))
		}
		namespaces = append(namespaces, ns)
	}
	slices.SortFunc(namespaces, func(a, b Namespace) int { return strings.Compare(a.Name, b.Name) })
	return namespaces
}

// encodeMessages writes messages of text in the same JSON form.
func encodeMessages(messages []Message) ([]byte, error) {
	list := make([]jsonMessage, len(messages))
	for i, m := range messages {
		for _, c := range m.Content {
			if _, ok := c.(Text); !ok {
				return nil, fmt.Errorf("harmony: message %d: content of type %T: only text can be encoded", i, c)
			}
		}
		text, err := marshal(m.Text())
		if err != nil {
			return nil, err
		}
		list[i] = jsonMessage{
			Role:        m.Author.Role,
			Name:        m.Author.Name,
			Recipient:   m.Recipient,
			Content:     text,
			Channel:     m.Channel,
			ContentType: m.ContentType,
		}
	}
	return marshal(list)
}

// marshal is json.Marshal without escaping <, > and &, of which harmony has many.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// RenderJSON renders one conversation, {"messages":[...], "mode":"completion"|"conversation"|"training", "next_role":...,
// "auto_drop_analysis":true|false}, as OpenAI's crate does, and returns {"tokens":[...], "text":...}, or {"error":...} if the
// conversation can't be rendered. The mode is completion and auto_drop_analysis true if they are left out.
func RenderJSON(tok *tokenizer.Tokenizer, data []byte) ([]byte, error) {
	tokens, err := renderJSON(tok, data)
	if err != nil {
		var c complaint
		if errors.As(err, &c) {
			err = c
		}
		return marshal(struct {
			Error string `json:"error"`
		}{err.Error()})
	}
	return marshal(struct {
		Tokens []int32 `json:"tokens"`
		Text   string  `json:"text"`
	}{append([]int32{}, tokens...), string(tok.Decode(tokens))})
}

func renderJSON(tok *tokenizer.Tokenizer, data []byte) ([]int32, error) {
	var in struct {
		Messages         json.RawMessage `json:"messages"`
		Mode             string          `json:"mode"`
		NextRole         Role            `json:"next_role"`
		AutoDropAnalysis *bool           `json:"auto_drop_analysis"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("harmony: conversation: %w", jsonerror.Plain(err))
	}
	messages, err := decodeMessages(in.Messages)
	if err != nil {
		return nil, err
	}
	o := Options{NextRole: in.NextRole, Drop: DropOfficial}
	if in.AutoDropAnalysis != nil && !*in.AutoDropAnalysis {
		o.Drop = DropNothing
	}
	switch in.Mode {
	case "", "completion":
		o.Mode = ForCompletion
	case "conversation":
		o.Mode = ForConversation
	case "training":
		o.Mode = ForTraining
	default:
		return nil, fmt.Errorf("harmony: unknown mode %q: want completion, conversation or training", in.Mode)
	}
	if o.NextRole != "" && !knownRole(o.NextRole) {
		return nil, fmt.Errorf("harmony: unknown next_role %q: want one of %v", o.NextRole, roles())
	}
	return Render(context.Background(), tok, messages, o)
}

// ParseJSON parses generated tokens, {"tokens":[...], "role":"assistant"|null}, with a Parser and returns {"messages":[...]}.
// Without a role, the tokens begin with <|start|>.
func ParseJSON(tok *tokenizer.Tokenizer, data []byte) ([]byte, error) {
	var in struct {
		Tokens []int32 `json:"tokens"`
		Role   Role    `json:"role"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("harmony: tokens to parse: %w", jsonerror.Plain(err))
	}
	if in.Role != "" && !knownRole(in.Role) {
		return nil, fmt.Errorf("harmony: unknown role %q: want one of %v", in.Role, roles())
	}
	p := NewParser(tok, ParserOptions{Role: in.Role})
	for _, t := range in.Tokens {
		p.Push(t)
	}
	p.Close()
	messages, err := encodeMessages(p.Messages())
	if err != nil {
		return nil, err
	}
	return marshal(struct {
		Messages json.RawMessage `json:"messages"`
	}{messages})
}

package harmony

import (
	"encoding/json"
	"slices"
	"strings"
)

// Role says who speaks.
type Role string

const (
	System    Role = "system"    // identity, date, reasoning effort, built-in tools
	Developer Role = "developer" // instructions and functions: what chat APIs call the system prompt
	User      Role = "user"
	Assistant Role = "assistant" // the model
	Tool      Role = "tool"      // the result of a call; Author.Name says which tool
)

func roles() []Role { return []Role{System, Developer, User, Assistant, Tool} }

func knownRole(r Role) bool { return slices.Contains(roles(), r) }

// Channels that the model was trained with.
const (
	Analysis   = "analysis"   // reasoning, and calls of built-in tools
	Commentary = "commentary" // calls of functions, and what the user may read before them
	Final      = "final"      // the answer
)

// ConstrainJSON is the content type of a function call's arguments: a marker, then a word.
const ConstrainJSON = constrainMarker + "json"

// constrainMarker begins a content type that is written with the special token.
const constrainMarker = "<|constrain|>"

// Author is who wrote a message. A tool needs its Name, such as "functions.get_weather"; others seldom have one.
type Author struct {
	Role Role
	Name string
}

// Header is what a message says before its content. Empty fields are not written.
type Header struct {
	Author      Author
	Recipient   string // whom the message is for: "functions.get_weather", "python"; for a tool's result "assistant"
	Channel     string
	ContentType string // "json", "code", or ConstrainJSON; only calls have one as a rule
}

// Message is one message of a conversation.
type Message struct {
	Header
	Content []Content
}

// NewText returns a message of one text.
func NewText(h Header, text string) Message {
	return Message{Header: h, Content: []Content{Text(text)}}
}

// Text returns the message's text parts put together.
func (m Message) Text() string {
	var b strings.Builder
	for _, c := range m.Content {
		if t, ok := c.(Text); ok {
			b.WriteString(string(t))
		}
	}
	return b.String()
}

// Content is a part of a message: Text, *SystemContent or *DeveloperContent.
type Content interface{ isContent() }

// Text is plain text. Markers in it are text too.
type Text string

// Effort is how long the model should think.
type Effort string

const (
	Low    Effort = "low"
	Medium Effort = "medium"
	High   Effort = "high"
)

// SystemContent is what a system message says. Fields left out are not written; DefaultSystem has what gpt-oss expects.
type SystemContent struct {
	ModelIdentity     *string
	KnowledgeCutoff   *string
	ConversationStart *string // the current date, as YYYY-MM-DD
	ReasoningEffort   Effort
	Tools             []Namespace // built-in tools such as browser and python
	ValidChannels     []string
	ChannelRequired   bool // says that every message must name its channel; written only with ValidChannels
}

// DefaultSystem returns the system message that gpt-oss was trained with, for a date (YYYY-MM-DD, "" for none). A persona
// belongs into the developer message, not into ModelIdentity (openai/harmony docs/format.md, "System message").
func DefaultSystem(effort Effort, date string) *SystemContent {
	s := &SystemContent{
		ModelIdentity:   new("You are ChatGPT, a large language model trained by OpenAI."),
		KnowledgeCutoff: new("2024-06"),
		ReasoningEffort: effort,
		ValidChannels:   []string{Analysis, Commentary, Final},
		ChannelRequired: true,
	}
	if date != "" {
		s.ConversationStart = &date
	}
	return s
}

// DeveloperContent is what a developer message says.
type DeveloperContent struct {
	Instructions    *string // "" still writes the section's title, nil does not
	Tools           []Namespace
	ResponseFormats []ResponseFormat
}

// Namespace is a group of functions: "functions" for the developer's, or a built-in tool.
type Namespace struct {
	Name        string
	Description string
	Functions   []Function // none for python, whose description says all
}

// Function is a tool that the model can call as namespace.name.
type Function struct {
	Name        string
	Description string
	Parameters  json.RawMessage // JSON schema; nil if the function takes nothing. The order of properties is kept.
}

// ResponseFormat asks for an answer of a form. It only steers the model: enforcing needs a grammar.
type ResponseFormat struct {
	Name        string
	Description string
	Schema      json.RawMessage // JSON schema, written compactly in its own order
}

func (Text) isContent()              {}
func (*SystemContent) isContent()    {}
func (*DeveloperContent) isContent() {}

// Kind is what a message of the model means to the outside.
type Kind int

const (
	Other     Kind = iota // not the model's own: a message that it wrote in the name of somebody else
	Reasoning             // analysis that is addressed to nobody, or a channel that nobody knows
	Preamble              // commentary that is addressed to nobody: the user may read it before a call
	Answer                // final, or no channel at all
	ToolCall              // addressed to a function or a built-in tool, whatever the channel
)

// Kind classifies a message by its header.
func (h Header) Kind() Kind {
	switch {
	case h.Author.Role != Assistant:
		return Other
	case h.isCall():
		return ToolCall
	case h.Channel == Final, h.Channel == "":
		return Answer
	case h.Channel == Commentary:
		return Preamble
	}
	return Reasoning
}

func (h Header) isCall() bool {
	switch h.Recipient {
	case "", "all", string(Assistant), string(User):
		return false
	}
	return true
}

// FunctionName returns the name of the developer's function that a message calls; false for built-in tools and for no call.
func (h Header) FunctionName() (string, bool) {
	return strings.CutPrefix(h.Recipient, functionsPrefix)
}

// functions is the namespace of what the developer defines.
const (
	functions       = "functions"
	functionsPrefix = functions + "."
)

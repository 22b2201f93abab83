package chat

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
)

// Role says who wrote a message.
type Role string

const (
	System    Role = "system"    // instructions, the same as Developer
	Developer Role = "developer" // instructions
	User      Role = "user"
	Assistant Role = "assistant" // the model
	Tool      Role = "tool"      // the result of a call
)

// Message is one message of a conversation.
type Message struct {
	Role       Role
	Content    string
	Name       string     // of a user, or of the tool whose result this is (its ToolCallID tells as well); others' are not shown to the model
	Reasoning  string     // of the assistant
	ToolCalls  []ToolCall // of the assistant
	ToolCallID string     // of the call that a tool's message answers; several calls of one id are answered in their order
}

// ToolCall is the assistant's request that the caller runs a function and answers with a Tool message.
type ToolCall struct {
	ID        string
	Name      string // as the model wrote it, perhaps of no function
	Arguments string // JSON as the model wrote it, normally an object; not checked
}

// Function is a tool that the model may call.
type Function struct {
	Name        string // 1 to 64 letters, digits, "_", "-" or "."
	Description string
	Parameters  json.RawMessage // JSON schema of an object; nil if there are none. The order of properties is kept.
	Strict      bool            // as ResponseFormat.Strict
}

// ToolChoice says whether the model calls a function: ChoiceAuto, ChoiceNone, ChoiceRequired, or the name of the one to call.
type ToolChoice struct {
	Mode ToolMode
	Name string // with ChoiceNamed
}

// ToolMode is the kind of a ToolChoice.
type ToolMode int

const (
	ChoiceAuto     ToolMode = iota // the model decides
	ChoiceNone                     // the tools are not shown to the model
	ChoiceRequired                 // it calls one of them
	ChoiceNamed                    // it calls this one
)

// Effort is how long the model reasons.
type Effort string

const (
	None   Effort = "none" // not at all: the answer is begun for the model. It can't call functions then.
	Low    Effort = "low"
	Medium Effort = "medium"
	High   Effort = "high"
)

// Request asks for a reply.
type Request struct {
	Messages     []Message // of the whole conversation, at least one
	Continue     bool      // the last message, the assistant's, is the beginning of the reply: the events are of what follows it
	Instructions string    // before those of System and Developer messages, which are gathered at the beginning
	Tools        []Function
	ToolChoice   ToolChoice
	Format       *ResponseFormat // of the answer; nil: free text
	// Unconstrained leaves the model free where it should follow the schemas of functions and the format of the answer: it is
	// shown the former and the schema of the latter, and may disregard them.
	Unconstrained bool
	Effort        Effort         // "": Medium
	Date          string         // that the model is told, YYYY-MM-DD; "": today
	MaxTokens     int            // of the reply, reasoning included; 0: what the context holds
	Sampling      *sample.Params // nil: sample.Recommended
	Stop          []string       // what is said to the user ends before the first of these; reasoning and calls are not searched

	// Logprobs asks for the log probability of each token of the answer, and of the TopLogprobs most likely ones, 0 to 20.
	Logprobs    bool
	TopLogprobs int

	// Key says who asks; see engine.Request.
	Key string
	// Group is that of the choices that begin together, as Choices has them do; nil: none.
	Group *engine.Group
	// Progress is called with the number of tokens of the prompt that are done; may be nil.
	Progress func(done, total int)
	// Heard is called with each token of the reply, before the events that it brings; may be nil.
	Heard func(id int32)
	// Reply are tokens with which the reply begins, as Heard was told of them before it was interrupted.
	Reply []int32
}

// FieldError means that a field of a Request is wrong or cannot be honoured.
type FieldError struct {
	Field       string // such as "Messages[2].ToolCallID"
	Reason      string
	Unsupported bool // it is in order, but not supported
	syntax      bool // it is a schema that is none
}

func (e *FieldError) Error() string { return "chat: " + e.Field + ": " + e.Reason }

func refuse(field, format string, args ...any) error {
	return &FieldError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// maxTopLogprobs and maxStops are the bounds of OpenAI's API, the latter generously.
const (
	maxTopLogprobs = 20
	maxStops       = 16
	maxNameBytes   = 64
)

// check refuses what is wrong in itself; messages and tools are checked as they are rendered.
func (r *Request) check(vocab int) error {
	switch r.Effort {
	case "", Low, Medium, High:
	case None:
		if len(r.Tools) > 0 && r.ToolChoice.Mode != ChoiceNone {
			return refuse("Effort", "is none, but the model has to reason before it calls one of the Tools: want low, medium or high")
		}
	default:
		return refuse("Effort", "is %q, want none, low, medium or high", r.Effort)
	}
	if r.Date != "" {
		if _, err := time.Parse(time.DateOnly, r.Date); err != nil {
			return refuse("Date", "is %q, want YYYY-MM-DD", r.Date)
		}
	}
	if r.MaxTokens < 0 {
		return refuse("MaxTokens", "is %d, want 0 or more", r.MaxTokens)
	}
	if r.TopLogprobs < 0 || r.TopLogprobs > maxTopLogprobs {
		return refuse("TopLogprobs", "is %d, want 0 to %d", r.TopLogprobs, maxTopLogprobs)
	}
	if r.TopLogprobs > 0 && !r.Logprobs {
		return refuse("TopLogprobs", "needs Logprobs")
	}
	if len(r.Stop) > maxStops {
		return refuse("Stop", "has %d strings, want at most %d", len(r.Stop), maxStops)
	}
	for i, s := range r.Stop {
		if s == "" || !utf8.ValidString(s) {
			return refuse(fmt.Sprintf("Stop[%d]", i), "is %q, want some text in UTF-8", s)
		}
	}
	if m := r.ToolChoice.Mode; r.Unconstrained && (m == ChoiceRequired || m == ChoiceNamed) {
		return refuse("ToolChoice.Mode", "asks for a call, to which a model that is Unconstrained cannot be made")
	}
	if r.Format != nil {
		if err := r.Format.check(); err != nil {
			return err
		}
	}
	if r.Sampling != nil {
		if err := r.Sampling.Validate(vocab); err != nil {
			return refuse("Sampling", "%v", err)
		}
	}
	return nil
}

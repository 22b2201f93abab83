package anthropic

import (
	"encoding/json"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// Message is a whole reply, and how a streamed one begins. Its content can be sent back in a request as it is.
type Message struct {
	ID           string  `json:"id"`
	Type         string  `json:"type"` // "message"
	Role         string  `json:"role"` // "assistant"
	Model        string  `json:"model"`
	Content      []Block `json:"content"`
	StopReason   *string `json:"stop_reason"`   // nil where a streamed reply begins
	StopSequence *string `json:"stop_sequence"` // that ended the reply; nil if none did
	Usage        Usage   `json:"usage"`
}

// Block is a part of a message: a thought, a text for the user, or a call. A streamed one begins empty.
type Block struct {
	Type      string          `json:"type"` // "thinking", "text" or "tool_use"
	Thinking  *string         `json:"thinking,omitempty"`
	Signature *string         `json:"signature,omitempty"` // of a thought
	Text      *string         `json:"text,omitempty"`
	ID        string          `json:"id,omitempty"` // of a call
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"` // an object
}

// Usage counts tokens. Those of the prompt are the sum of the first three.
type Usage struct {
	InputTokens              int                 `json:"input_tokens"`                // that were computed
	CacheCreationInputTokens int                 `json:"cache_creation_input_tokens"` // 0: what is kept costs nothing
	CacheReadInputTokens     int                 `json:"cache_read_input_tokens"`     // known from before
	OutputTokens             int                 `json:"output_tokens"`
	OutputTokensDetails      OutputTokensDetails `json:"output_tokens_details"`
}

// OutputTokensDetails is part of Usage.
type OutputTokensDetails struct {
	ThinkingTokens int `json:"thinking_tokens"`
}

// Count is the answer to a request to count tokens.
type Count struct {
	InputTokens int `json:"input_tokens"`
}

// Options name a reply.
type Options struct {
	ID      string // unique, such as "msg_" and random letters
	Model   string
	Request *Request
	Prompt  *Prompt // for Stream
}

// Prompt hears how far a prompt is, so that a stream can begin with the usage.
type Prompt struct {
	total, cached int
	heard         bool
}

// Progress is that of the chat.Request.
func (p *Prompt) Progress(done, total int) {
	if !p.heard {
		p.heard, p.total, p.cached = true, total, min(done, total-1) // the last token is computed in any case
	}
}

// NewMessage returns a whole reply as the API has it, or wire.ErrCancelled.
func NewMessage(r *chat.Response, o Options) (*Message, error) {
	if r.Reason == chat.FinishCancelled {
		return nil, wire.ErrCancelled
	}
	m := o.message()
	for i := range r.Items {
		if item := &r.Items[i]; item.Kind != chat.Reasoning || o.Request.Thinking != Hidden {
			m.Content = append(m.Content, o.block(item))
		}
	}
	ending := newEnding(r.Reason, r.Stop)
	m.StopReason, m.StopSequence, m.Usage = &ending.StopReason, ending.StopSequence, newUsage(&r.Usage)
	return m, nil
}

// message is one without content.
func (o *Options) message() *Message {
	return &Message{ID: o.ID, Type: "message", Role: string(chat.Assistant), Model: o.Model, Content: []Block{}}
}

// block is an item as the API has it.
func (o *Options) block(i *chat.Item) Block {
	b := begin(&i.ItemStart)
	switch i.Kind {
	case chat.Reasoning:
		if o.Request.Thinking == Shown {
			b.Thinking = &i.Text
		}
		b.Signature = new(sign(i.Text, o.Request.Thinking))
	case chat.Call:
		b.Input = input(i.Text, o.Request.offers(i.Name))
	default:
		b.Text = &i.Text
	}
	return b
}

// begin is the block of an item that begins.
func begin(start *chat.ItemStart) Block {
	switch start.Kind {
	case chat.Reasoning:
		return Block{Type: "thinking", Thinking: new(""), Signature: new("")}
	case chat.Call:
		return Block{Type: "tool_use", ID: toolUseID(start), Name: start.Name, Input: json.RawMessage("{}")}
	}
	return Block{Type: "text", Text: new("")}
}

// Ending says why a reply ended.
type Ending struct {
	StopReason   string  `json:"stop_reason"` // "end_turn", "max_tokens", "stop_sequence" or "tool_use"
	StopSequence *string `json:"stop_sequence"`
}

func newEnding(reason chat.FinishReason, stop string) Ending {
	switch {
	case reason == chat.FinishToolCalls:
		return Ending{StopReason: "tool_use"}
	case reason == chat.FinishLength:
		return Ending{StopReason: "max_tokens"}
	case stop != "":
		return Ending{StopReason: "stop_sequence", StopSequence: &stop}
	}
	return Ending{StopReason: "end_turn"}
}

func newUsage(u *chat.Usage) Usage {
	return Usage{
		InputTokens:          u.PromptTokens - u.CachedTokens,
		CacheReadInputTokens: u.CachedTokens,
		OutputTokens:         u.CompletionTokens,
		OutputTokensDetails:  OutputTokensDetails{u.ReasoningTokens},
	}
}

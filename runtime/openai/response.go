package openai

import (
	"iter"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/wire"
)

// Completion is a whole reply.
type Completion struct {
	ID                string   `json:"id"`
	Object            string   `json:"object"`  // "chat.completion"
	Created           int64    `json:"created"` // seconds since 1970
	Model             string   `json:"model"`
	Choices           []Choice `json:"choices"` // Request.N
	Usage             Usage    `json:"usage"`
	SystemFingerprint string   `json:"system_fingerprint,omitempty"`
	Ignored           []string `json:"ignored,omitempty"` // Request.Ignored; not part of OpenAI's API
}

// Choice is the reply in a Completion.
type Choice struct {
	Index        int       `json:"index"`
	Message      Message   `json:"message"`
	Logprobs     *Logprobs `json:"logprobs"` // nil unless asked for
	FinishReason string    `json:"finish_reason"`
}

// Message is what the assistant says. It can be sent back in a request as it is.
type Message struct {
	Role             string     `json:"role"`
	Content          *string    `json:"content"` // nil if there are only calls
	Refusal          *string    `json:"refusal"` // always nil
	Reasoning        string     `json:"reasoning,omitempty"`
	ReasoningContent string     `json:"reasoning_content,omitempty"` // see Options.ReasoningField
	ToolCalls        []ToolCall `json:"tool_calls,omitempty"`
}

// ToolCall asks to call a function.
type ToolCall struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"` // "function"
	Function Function `json:"function"`
}

// Function is what a call is made of.
type Function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"` // JSON as the model wrote it; check it
}

// Chunk is a part of a streamed reply.
type Chunk struct {
	ID                string        `json:"id"`
	Object            string        `json:"object"`  // "chat.completion.chunk"
	Created           int64         `json:"created"` // seconds since 1970, the same in all chunks
	Model             string        `json:"model"`
	SystemFingerprint string        `json:"system_fingerprint,omitempty"`
	Choices           []ChunkChoice `json:"choices"`           // one, or none in the last chunk if it has the usage
	Usage             *Usage        `json:"usage,omitempty"`   // in the last chunk, if asked for
	Ignored           []string      `json:"ignored,omitempty"` // Request.Ignored, in the first chunk; not part of OpenAI's API
}

// ChunkChoice is what a Chunk adds to the reply.
type ChunkChoice struct {
	Index        int       `json:"index"`
	Delta        Delta     `json:"delta"`
	Logprobs     *Logprobs `json:"logprobs"`      // nil unless asked for
	FinishReason *string   `json:"finish_reason"` // nil but at the end
}

// Delta is more of a message. The first one has the role, the others one of the other fields, the one at the end nothing.
type Delta struct {
	Role             string          `json:"role,omitempty"`
	Content          *string         `json:"content,omitempty"`
	Reasoning        string          `json:"reasoning,omitempty"`
	ReasoningContent string          `json:"reasoning_content,omitempty"` // see Options.ReasoningField
	ToolCalls        []ToolCallDelta `json:"tool_calls,omitempty"`
}

// ToolCallDelta is more of a call. The first one has everything but arguments, the others nothing else.
type ToolCallDelta struct {
	Index    int           `json:"index"` // of the call
	ID       string        `json:"id,omitempty"`
	Type     string        `json:"type,omitempty"` // "function"
	Function FunctionDelta `json:"function"`
}

// FunctionDelta is part of ToolCallDelta.
type FunctionDelta struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// Logprobs tells how likely the model found the tokens of its answer.
type Logprobs struct {
	Content []wire.TokenLogprob `json:"content"`
	Refusal []wire.TokenLogprob `json:"refusal"` // always nil
}

// Usage counts tokens.
type Usage struct {
	PromptTokens            int                     `json:"prompt_tokens"`
	CompletionTokens        int                     `json:"completion_tokens"`
	TotalTokens             int                     `json:"total_tokens"`
	PromptTokensDetails     PromptTokensDetails     `json:"prompt_tokens_details"`
	CompletionTokensDetails CompletionTokensDetails `json:"completion_tokens_details"`
	Timings                 wire.Timings            `json:"timings"`
}

// PromptTokensDetails is part of Usage.
type PromptTokensDetails struct {
	CachedTokens int `json:"cached_tokens"` // known from before
}

// CompletionTokensDetails is part of Usage.
type CompletionTokensDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"`
}

// Options name a reply.
type Options struct {
	ID           string // unique, such as "chatcmpl-" and random letters
	Created      time.Time
	Model        string
	Fingerprint  string   // names weights and program: with the same, a seed gives the same reply; "": left out
	IncludeUsage bool     // in Stream, as the Request says
	Ignored      []string // as the Request says
	// ReasoningField has what the model thinks; "": Reasoning.
	ReasoningField ReasoningField
}

// ReasoningField is where clients look for what the model thinks.
type ReasoningField string

const (
	Reasoning        ReasoningField = "reasoning"         // OpenAI's convention, which most follow
	ReasoningContent ReasoningField = "reasoning_content" // that of DeepSeek, and of programs made for it
	BothReasoning    ReasoningField = "both"
)

// put moves what the model thinks to where the client looks for it.
func (f ReasoningField) put(reasoning, content *string) {
	if f == ReasoningContent || f == BothReasoning {
		*content = *reasoning
	}
	if f == ReasoningContent {
		*reasoning = ""
	}
}

// NewCompletion returns whole replies to a request as the API has them, or wire.ErrCancelled.
func NewCompletion(replies []*chat.Response, o Options) (*Completion, error) {
	c := &Completion{
		ID: o.ID, Object: "chat.completion", Created: o.Created.Unix(), Model: o.Model, SystemFingerprint: o.Fingerprint, Ignored: o.Ignored,
	}
	var usage []chat.Usage
	for i, r := range replies {
		if r.Reason == chat.FinishCancelled {
			return nil, wire.ErrCancelled
		}
		m := newMessage(&r.Message)
		o.ReasoningField.put(&m.Reasoning, &m.ReasoningContent)
		c.Choices = append(c.Choices, Choice{Index: i, Message: m, Logprobs: newLogprobs(r.Logprobs), FinishReason: string(r.Reason)})
		usage = append(usage, r.Usage)
	}
	c.Usage = NewUsage(chat.TotalUsage(usage...))
	return c, nil
}

func newMessage(from *chat.Message) Message {
	m := Message{Role: string(chat.Assistant), Reasoning: from.Reasoning}
	if from.Content != "" || len(from.ToolCalls) == 0 {
		m.Content = &from.Content
	}
	for _, call := range from.ToolCalls {
		m.ToolCalls = append(m.ToolCalls, ToolCall{ID: call.ID, Type: "function", Function: Function{call.Name, call.Arguments}})
	}
	return m
}

// Stream turns the events of replies to a request into chunks while they arrive. It ends with the error of the events, or wire.ErrCancelled. An
// error that comes first, before any chunk, can be answered with an HTTP status.
func Stream(events iter.Seq2[chat.ChoiceEvent, error], o Options) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		chunk := func(choices ...ChunkChoice) Chunk {
			return Chunk{
				ID: o.ID, Object: "chat.completion.chunk", Created: o.Created.Unix(), Model: o.Model,
				SystemFingerprint: o.Fingerprint, Choices: choices,
			}
		}
		begun := map[int]bool{}
		var usage []chat.Usage
		for e, err := range events {
			done, ended := e.Event.(chat.Done)
			if err == nil && ended && done.Reason == chat.FinishCancelled {
				err = wire.ErrCancelled
			}
			if err != nil {
				yield(Chunk{}, err)
				return
			}
			if !begun[e.Choice] {
				begin := chunk(ChunkChoice{Index: e.Choice, Delta: Delta{Role: string(chat.Assistant), Content: new("")}})
				if len(begun) == 0 {
					begin.Ignored = o.Ignored
				}
				begun[e.Choice] = true
				if !yield(begin, nil) {
					return
				}
			}
			more, ok := newChoice(e.Event)
			more.Index = e.Choice
			o.ReasoningField.put(&more.Delta.Reasoning, &more.Delta.ReasoningContent)
			if ok && !yield(chunk(more), nil) {
				return
			}
			if ended {
				usage = append(usage, done.Usage)
			}
		}
		if o.IncludeUsage && len(usage) > 0 {
			last := chunk()
			last.Choices, last.Usage = []ChunkChoice{}, new(NewUsage(chat.TotalUsage(usage...)))
			yield(last, nil)
		}
	}
}

// newChoice is what an event adds to the reply; ok is false if that is nothing.
func newChoice(e chat.Event) (_ ChunkChoice, ok bool) {
	switch e := e.(type) {
	case chat.ItemStart:
		if e.Kind == chat.Call {
			call := ToolCallDelta{Index: e.Index, ID: e.ID, Type: "function", Function: FunctionDelta{Name: e.Name}}
			return ChunkChoice{Delta: Delta{ToolCalls: []ToolCallDelta{call}}}, true
		}
		if e.Separator == "" {
			return ChunkChoice{}, false
		}
		if e.Kind == chat.Reasoning {
			return ChunkChoice{Delta: Delta{Reasoning: e.Separator}}, true
		}
		return ChunkChoice{Delta: Delta{Content: &e.Separator}}, true
	case chat.ReasoningDelta:
		return ChunkChoice{Delta: Delta{Reasoning: e.Text}}, true
	case chat.ContentDelta:
		return ChunkChoice{Delta: Delta{Content: &e.Text}, Logprobs: newLogprobs(e.Logprobs)}, true
	case chat.ToolCallDelta:
		call := ToolCallDelta{Index: e.Index, Function: FunctionDelta{Arguments: e.Arguments}}
		return ChunkChoice{Delta: Delta{ToolCalls: []ToolCallDelta{call}}}, true
	case chat.Done:
		return ChunkChoice{FinishReason: new(string(e.Reason))}, true
	}
	return ChunkChoice{}, false
}

// NewUsage is how the API has what a reply has cost.
func NewUsage(u chat.Usage) Usage {
	return Usage{
		PromptTokens:            u.PromptTokens,
		CompletionTokens:        u.CompletionTokens,
		TotalTokens:             u.PromptTokens + u.CompletionTokens,
		PromptTokensDetails:     PromptTokensDetails{u.CachedTokens},
		CompletionTokensDetails: CompletionTokensDetails{u.ReasoningTokens},
		Timings:                 wire.NewTimings(u),
	}
}

func newLogprobs(tokens []chat.TokenLogprob) *Logprobs {
	if len(tokens) == 0 {
		return nil
	}
	return &Logprobs{Content: wire.Logprobs(tokens)}
}

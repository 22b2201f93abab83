package responses

import (
	"encoding/json"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/sample"
	"gossamer/runtime/wire"
)

// Response is a reply, or as much of it as there is.
type Response struct {
	ID          string      `json:"id"`
	Object      string      `json:"object"`       // "response"
	CreatedAt   int64       `json:"created_at"`   // seconds since 1970
	CompletedAt *int64      `json:"completed_at"` // nil until then
	Status      string      `json:"status"`       // "in_progress", "completed", "incomplete" or "failed"
	Background  bool        `json:"background"`
	Error       *Error      `json:"error"`
	Incomplete  *Incomplete `json:"incomplete_details"`
	Model       string      `json:"model"`
	Output      []Item      `json:"output"`
	Usage       *Usage      `json:"usage"` // nil until the end
	echo

	Temperature      float32   `json:"temperature"`
	TopP             float32   `json:"top_p"`
	PresencePenalty  float32   `json:"presence_penalty"`
	FrequencyPenalty float32   `json:"frequency_penalty"`
	TopLogprobs      int       `json:"top_logprobs"`
	Reasoning        Reasoning `json:"reasoning"`
	Text             Text      `json:"text"`
	ServiceTier      string    `json:"service_tier"`
	Truncation       string    `json:"truncation"`
	Ignored          []string  `json:"ignored,omitempty"` // Request.Ignored; not part of OpenAI's API
}

// Statuses of responses and items.
const (
	statusInProgress = "in_progress"
	statusCompleted  = "completed"
	statusIncomplete = "incomplete"
	statusFailed     = "failed"
)

// Error says why a response failed.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Incomplete says why a response was cut off.
type Incomplete struct {
	Reason string `json:"reason"` // "max_output_tokens"
}

// Reasoning is how long the model reasons.
type Reasoning struct {
	Effort  string  `json:"effort"`
	Summary *string `json:"summary"` // always nil: reasoning is sent itself
}

// Text is what the answer has to be.
type Text struct {
	Format    Format `json:"format"`
	Verbosity string `json:"verbosity"`
}

// Format is text, json_object or json_schema.
type Format struct {
	Type        string          `json:"type"`
	Name        string          `json:"name,omitempty"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

// Usage counts tokens.
type Usage struct {
	InputTokens  int `json:"input_tokens"`
	InputDetails struct {
		CachedTokens     int `json:"cached_tokens"`      // known from before
		CacheWriteTokens int `json:"cache_write_tokens"` // always 0: nobody is charged for them
	} `json:"input_tokens_details"`
	OutputTokens  int `json:"output_tokens"`
	OutputDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	TotalTokens int          `json:"total_tokens"`
	Timings     wire.Timings `json:"timings"` // not part of OpenAI's API
}

// Options name a response.
type Options struct {
	ID    string // unique, such as "resp_" and random letters
	Model string
	Now   func() time.Time
	NewID func(prefix string) string // of items
}

// newResponse is the response to a request before anything of it is there.
func newResponse(r *Request, o *Options) *Response {
	c := &r.Chat
	sampling := sample.Recommended()
	if c.Sampling != nil {
		sampling = *c.Sampling
	}
	if sampling.TopP == 0 {
		sampling.TopP = 1 // which also keeps all tokens, and is how the API says it
	}
	effort := c.Effort
	if effort == "" {
		effort = chat.Medium
	}
	format := Format{Type: "text"}
	switch f := c.Format; {
	case f != nil && f.JSONObject:
		format.Type = "json_object"
	case f != nil:
		format = Format{"json_schema", f.Name, f.Description, f.Schema, &f.Strict}
	}
	return &Response{
		ID: o.ID, Object: "response", CreatedAt: o.Now().Unix(), Status: statusInProgress, Model: o.Model, Output: []Item{}, echo: r.echo,
		Temperature: sampling.Temperature, TopP: sampling.TopP, PresencePenalty: sampling.PresencePenalty, FrequencyPenalty: sampling.FrequencyPenalty,
		TopLogprobs: c.TopLogprobs, Reasoning: Reasoning{Effort: string(effort)}, Text: Text{format, "medium"},
		ServiceTier: "default", Truncation: "disabled", Ignored: r.Ignored,
	}
}

// end ends a response as the reply did.
func (r *Response) end(d chat.Done, now time.Time) {
	r.Status, r.CompletedAt = statusCompleted, new(now.Unix())
	if d.Reason == chat.FinishLength {
		r.Status, r.CompletedAt, r.Incomplete = statusIncomplete, nil, &Incomplete{"max_output_tokens"}
	}
	r.setUsage(d.Usage)
}

func (r *Response) setUsage(from chat.Usage) {
	u := &Usage{
		InputTokens: from.PromptTokens, OutputTokens: from.CompletionTokens, TotalTokens: from.PromptTokens + from.CompletionTokens,
		Timings: wire.NewTimings(from),
	}
	u.InputDetails.CachedTokens = from.CachedTokens
	u.OutputDetails.ReasoningTokens = from.ReasoningTokens
	r.Usage = u
}

// fail ends a response with an error.
func (r *Response) fail(f *wire.Failure) {
	code := f.Code
	if code == "" {
		code = f.Type
	}
	r.Status, r.Error = statusFailed, &Error{code, f.Message}
}

// newItem begins an item of the output.
func newItem(start chat.ItemStart, id func(prefix string) string) Item {
	switch start.Kind {
	case chat.Call:
		return Item{Type: typeCall, ID: id("fc_"), Status: statusInProgress, CallID: start.ID, Name: start.Name, Arguments: new("")}
	case chat.Reasoning:
		return Item{Type: typeReasoning, ID: id("rs_"), Status: statusInProgress, Content: &[]Part{}, Summary: &[]Part{}}
	}
	i := Item{Type: typeMessage, ID: id("msg_"), Status: statusInProgress, Role: string(chat.Assistant), Phase: "final_answer", Content: &[]Part{}}
	if start.Kind == chat.Preamble {
		i.Phase = "commentary"
	}
	return i
}

// newPart is the content of an item.
func newPart(kind chat.ItemKind, text string, logprobs []chat.TokenLogprob) Part {
	if kind == chat.Reasoning {
		return Part{Type: "reasoning_text", Text: text}
	}
	all := wire.Logprobs(logprobs)
	return Part{Type: "output_text", Text: text, Annotations: &[]struct{}{}, Logprobs: &all}
}

// finish gives an item its text.
func (i *Item) finish(whole *chat.Item, encrypted bool) {
	i.Status = statusCompleted
	if !whole.Whole {
		i.Status = statusIncomplete
	}
	if whole.Kind == chat.Call {
		i.Arguments = &whole.Text
		return
	}
	i.Content = &[]Part{newPart(whole.Kind, whole.Text, whole.Logprobs)}
	if whole.Kind == chat.Reasoning && encrypted {
		i.Encrypted = encrypt(whole.Text)
	}
}

// New returns a whole response, or wire.ErrCancelled.
func New(r *Request, reply *chat.Response, o Options) (*Response, error) {
	if reply.Reason == chat.FinishCancelled {
		return nil, wire.ErrCancelled
	}
	response := newResponse(r, &o)
	for _, whole := range reply.Items {
		item := newItem(whole.ItemStart, o.NewID)
		item.finish(&whole, r.encrypt)
		response.Output = append(response.Output, item)
	}
	response.end(chat.Done{Reason: reply.Reason, Usage: reply.Usage}, o.Now())
	return response, nil
}

// Package completions is the wire form of OpenAI's older API for completions: the continuation of texts or tokens as they are, without any
// idea of messages. It is for tools that write the prompt themselves, and for measuring models.
//
// [Decode] reads a prompt (text, in which the names of special tokens such as <|start|> are these tokens; token ids; or an array of either,
// which are continued together), max_tokens (16), temperature, top_p, n, stop, seed, logprobs (0 to 20), echo, stream, and what else package
// openai has for sampling. echo with logprobs computes the prompt token by token. suffix is refused, and so is best_of above n.
// What ends a reply of the model, such as <|return|>, ends the text.
package completions

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"math"
	"strings"
	"time"

	"gossamer/runtime/chat"
	"gossamer/runtime/openai"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/wire"
)

// Request is a request for completions.
type Request struct {
	Model        string // as asked for, perhaps ""
	Stream       bool
	IncludeUsage bool     // with Stream: the last chunk tells the usage
	Prompts      []Prompt // at least one
	N            int      // completions of each
	Ignored      []string

	text     chat.Request // the fields that are also a chat's
	logprobs bool
	top      int
	echo     bool
	max      int
}

// Prompt is text, or tokens.
type Prompt struct {
	Text   string
	Tokens []int32 // nil: the text counts
}

// maxTexts is how many completions one request gets.
const maxTexts = 128

// Decode reads the JSON of a request. What is wrong with it or not supported is a *wire.FieldError; what is unknown is left out, and named in
// the Request, unless strict refuses that too.
func Decode(data []byte, strict bool) (*Request, error) {
	ignored := &wire.Ignored{}
	if strict {
		ignored = nil
	}
	body, err := wire.Parse(data, ignored)
	if err != nil {
		return nil, err
	}
	r := &Request{N: 1, max: 16}
	o, err := body.Object()
	if err != nil {
		return nil, err
	}
	integer := func(dst *int, min, max int64) func(wire.Value) error {
		return func(v wire.Value) error {
			n, err := v.Integer(min, max)
			*dst = int(n)
			return err
		}
	}
	best := 1
	known := wire.Fields{
		"model": wire.Text(&r.Model),
		"prompt": func(v wire.Value) (err error) {
			r.Prompts, err = decodePrompts(v)
			return err
		},
		"max_tokens": integer(&r.max, 0, math.MaxInt32),
		"n":          integer(&r.N, 1, maxTexts),
		"best_of":    integer(&best, 1, maxTexts),
		"echo":       wire.Truth(&r.echo),
		"logprobs": func(v wire.Value) error {
			r.logprobs = true
			return integer(&r.top, 0, 20)(v)
		},
		"stop":   wire.Stop(&r.text.Stop),
		"stream": wire.Truth(&r.Stream),
		"stream_options": func(v wire.Value) error {
			return v.ReadObject(wire.Fields{"include_usage": wire.Truth(&r.IncludeUsage), "include_obfuscation": wire.NoEffect})
		},
		"suffix": wire.Refused("the model continues texts, it does not fill them in"),
		"user":   wire.NoEffect,
	}
	maps.Copy(known, wire.Sampling(&r.text))
	if err := o.Read(known, "prompt"); err != nil {
		return nil, err
	}
	if best > r.N {
		return nil, o.Field("best_of").Refuse(wire.CodeUnsupported, "is %d, only n, which is %d, is supported: all completions are sent", best, r.N)
	}
	if len(r.Prompts)*r.N > maxTexts {
		return nil, o.Field("prompt").Refuse(wire.CodeValue, "asks for %d completions together, want at most %d", len(r.Prompts)*r.N, maxTexts)
	}
	if !strict {
		r.Ignored = ignored.Names
	}
	return r, nil
}

// decodePrompts reads a text, an array of texts, tokens, or an array of arrays of tokens.
func decodePrompts(v wire.Value) ([]Prompt, error) {
	if v.Kind() != '[' {
		text, err := v.Text()
		return []Prompt{{Text: text}}, err
	}
	var prompts []Prompt
	var tokens []int32
	err := v.Array(func(v wire.Value) (err error) {
		var p Prompt
		switch v.Kind() {
		case '"':
			p.Text, err = v.Text()
		case '[':
			p.Tokens = []int32{}
			err = v.Array(func(v wire.Value) error { return token(v, &p.Tokens) })
		default:
			return token(v, &tokens)
		}
		prompts = append(prompts, p)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case tokens != nil && prompts != nil:
		return nil, v.Refuse(wire.CodeType, "mixes tokens with prompts: want one of them")
	case tokens != nil:
		prompts = []Prompt{{Tokens: tokens}}
	case len(prompts) > maxTexts:
		return nil, v.Refuse(wire.CodeValue, "has %d prompts, want at most %d", len(prompts), maxTexts)
	case len(prompts) == 0:
		return nil, v.Refuse(wire.CodeValue, "is empty")
	}
	return prompts, nil
}

func token(v wire.Value, to *[]int32) error {
	id, err := v.Integer(0, math.MaxInt32)
	*to = append(*to, int32(id))
	return err
}

// Failure tells about an error of a request that Decode has accepted, with the API's names of fields.
func Failure(err error) *wire.Failure {
	return wire.NewFailure(err, func(field string) string {
		name, _, _ := strings.Cut(field, "[")
		if name == "Messages" {
			name = "prompt"
		}
		return strings.ToLower(name)
	})
}

// Texts are the requests for the texts of a request: N of each prompt. The error is ctx's, once that has ended.
func (r *Request) Texts(ctx context.Context, tok *tokenizer.Tokenizer, key string) ([]chat.Text, error) {
	params := sample.Recommended()
	if r.text.Sampling != nil {
		params = *r.text.Sampling
	}
	var texts []chat.Text
	for _, p := range r.Prompts {
		tokens := p.Tokens
		if tokens == nil {
			var err error
			if tokens, err = chat.ParseMarkers(ctx, tok, p.Text); err != nil {
				return nil, err
			}
		}
		for range r.N {
			t := chat.Text{
				Prompt: tokens, MaxTokens: r.max, Sampling: params, Stop: r.text.Stop, Logprobs: r.logprobs, TopLogprobs: r.top, Key: key, Echo: r.echo,
			}
			t.Sampling.Seed += uint64(len(texts))
			texts = append(texts, t)
		}
		if r.N > 1 {
			chat.BeginTogether(texts[len(texts)-r.N:])
		}
	}
	return texts, nil
}

// Completion is the answer to a request, or a chunk of it.
type Completion struct {
	ID      string        `json:"id"`
	Object  string        `json:"object"`  // "text_completion"
	Created int64         `json:"created"` // seconds since 1970
	Model   string        `json:"model"`
	Choices []Choice      `json:"choices"`
	Usage   *openai.Usage `json:"usage,omitempty"` // of a chunk: in the last one, if asked for
	Ignored []string      `json:"ignored,omitempty"`
}

// Choice is a text, or more of it.
type Choice struct {
	Text         string    `json:"text"`
	Index        int       `json:"index"`
	Logprobs     *Logprobs `json:"logprobs"`      // nil unless asked for
	FinishReason *string   `json:"finish_reason"` // nil but at the end
}

// Logprobs tells how likely the model found the tokens of a text.
type Logprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []*float32           `json:"token_logprobs"` // nil for the first token of a prompt
	TopLogprobs   []map[string]float32 `json:"top_logprobs"`   // the most likely tokens in its place, and the token itself
	TextOffset    []int                `json:"text_offset"`    // characters before the token
}

// Options name a completion.
type Options struct {
	ID      string
	Created time.Time
	Model   string
}

// New returns whole texts as the API has them, or wire.ErrCancelled.
func New(r *Request, replies []*chat.Response, o Options) (*Completion, error) {
	c := r.completion(&o)
	var usages []chat.Usage
	for i, reply := range replies {
		if reply.Reason == chat.FinishCancelled {
			return nil, wire.ErrCancelled
		}
		choice := Choice{Text: reply.Message.Content, Index: i, FinishReason: new(string(reply.Reason))}
		if r.logprobs {
			choice.Logprobs = newLogprobs(reply.Logprobs, new(int))
		}
		c.Choices, usages = append(c.Choices, choice), append(usages, reply.Usage)
	}
	c.Usage, c.Ignored = r.usage(usages), r.Ignored
	return &c, nil
}

func (r *Request) completion(o *Options) Completion {
	return Completion{ID: o.ID, Object: "text_completion", Created: o.Created.Unix(), Model: o.Model, Choices: []Choice{}}
}

// usage is that of all texts; each prompt counts once. The order of those of several prompts is that of Texts.
func (r *Request) usage(each []chat.Usage) *openai.Usage {
	var total chat.Usage
	for i := 0; i+r.N <= len(each); i += r.N {
		u := chat.TotalUsage(each[i : i+r.N]...)
		if i == 0 {
			total = u
			continue
		}
		prompt, cached := total.PromptTokens, total.CachedTokens
		total = chat.TotalUsage(total, u)
		total.PromptTokens, total.CachedTokens = prompt+u.PromptTokens, cached+u.CachedTokens
	}
	return new(openai.NewUsage(total))
}

func newLogprobs(tokens []chat.TokenLogprob, offset *int) *Logprobs {
	l := &Logprobs{Tokens: []string{}, TokenLogprobs: []*float32{}, TopLogprobs: []map[string]float32{}, TextOffset: []int{}}
	for _, t := range tokens {
		text := strings.ToValidUTF8(string(t.Bytes), "\ufffd")
		l.Tokens, l.TextOffset = append(l.Tokens, text), append(l.TextOffset, *offset)
		*offset += len([]rune(text))
		if math.IsNaN(float64(t.LogProb)) {
			l.TokenLogprobs, l.TopLogprobs = append(l.TokenLogprobs, nil), append(l.TopLogprobs, nil)
			continue
		}
		p := max(t.LogProb, -9999)
		top := map[string]float32{text: p}
		for _, other := range t.Top {
			top[strings.ToValidUTF8(string(other.Bytes), "\ufffd")] = max(other.LogProb, -9999)
		}
		l.TokenLogprobs, l.TopLogprobs = append(l.TokenLogprobs, &p), append(l.TopLogprobs, top)
	}
	return l
}

// WriteSSE writes texts as server-sent events while they arrive, each with one call of Write followed by flush, which may be nil. It returns the
// first error of the texts or of writing. An error of the texts is sent as the last event, unless it comes first: then begun is false.
func WriteSSE(w io.Writer, flush func() error, r *Request, events iter.Seq2[chat.ChoiceEvent, error], o Options) (begun bool, err error) {
	offsets := map[int]*int{}
	usages := make([]chat.Usage, len(r.Prompts)*r.N)
	for e, err := range events {
		done, ended := e.Event.(chat.Done)
		if err == nil && ended && done.Reason == chat.FinishCancelled {
			err = wire.ErrCancelled
		}
		if err != nil {
			if !begun {
				return false, err
			}
			return true, errors.Join(wire.WriteEvent(w, flush, "", openai.NewError(Failure(err))), err)
		}
		choice := Choice{Index: e.Choice}
		switch event := e.Event.(type) {
		case chat.ContentDelta:
			choice.Text = event.Text
			if r.logprobs {
				if offsets[e.Choice] == nil {
					offsets[e.Choice] = new(int)
				}
				choice.Logprobs = newLogprobs(event.Logprobs, offsets[e.Choice])
			}
		case chat.Done:
			choice.FinishReason, usages[e.Choice] = new(string(event.Reason)), event.Usage
		default:
			continue
		}
		c := r.completion(&o)
		c.Choices = append(c.Choices, choice)
		if !begun {
			c.Ignored = r.Ignored
		}
		if err := wire.WriteEvent(w, flush, "", c); err != nil {
			return true, err
		}
		begun = true
	}
	if r.IncludeUsage {
		c := r.completion(&o)
		c.Usage = r.usage(usages)
		if err := wire.WriteEvent(w, flush, "", c); err != nil {
			return true, err
		}
	}
	return true, wire.WriteFrame(w, flush, []byte("data: [DONE]\n\n"))
}

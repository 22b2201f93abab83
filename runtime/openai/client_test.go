package openai

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	client "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/shared"

	"gossamer/runtime/chat"
	"gossamer/runtime/engine"
	"gossamer/runtime/tokenizer/tokenizertest"
	"gossamer/runtime/wire"
)

// The judge of the wire form is OpenAI's own client.

// serve answers the client's requests with a model, and tells how each streamed reply ended.
func serve(t *testing.T, b engine.Backend) (client.Client, <-chan error) {
	t.Helper()
	c := completer(t, b)
	ended := make(chan error, 8)
	mux := http.NewServeMux()
	send := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	fail := func(w http.ResponseWriter, err error) {
		response, status := Error(err)
		send(w, status, response)
	}
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		send(w, http.StatusOK, NewModelList(NewModel("gpt-oss-20b", "openai", reply.Created)))
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, wire.MaxBytes))
		if err != nil {
			t.Error(err)
			return
		}
		r, err := Decode(body)
		if err != nil {
			fail(w, err)
			return
		}
		unenforced, err := c.Prepare(req.Context(), r.Chat)
		if err != nil {
			fail(w, err)
			return
		}
		r.Unenforced(unenforced)
		options := reply
		options.Model, options.IncludeUsage, options.Ignored = r.Model, r.IncludeUsage, r.Ignored
		events := chat.Choices(req.Context(), c.Stream, r.Chat, r.N)
		if !r.Stream {
			responses, err := chat.CollectChoices(events, r.N)
			if err != nil {
				fail(w, err)
				return
			}
			completion, err := NewCompletion(responses, options)
			if err != nil {
				fail(w, err)
				return
			}
			send(w, http.StatusOK, completion)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		begun, err := WriteSSE(w, http.NewResponseController(w).Flush, Stream(events, options))
		if !begun {
			fail(w, err)
		}
		ended <- err
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return client.NewClient(option.WithBaseURL(server.URL+"/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0)), ended
}

func ask(text string) client.ChatCompletionNewParams {
	return client.ChatCompletionNewParams{
		Model:       "gpt-oss-20b",
		Messages:    []client.ChatCompletionMessageParamUnion{client.UserMessage(text)},
		Temperature: client.Float(0),
	}
}

// function is a tool with one argument, a text.
func function(name string) client.ChatCompletionToolUnionParam {
	return client.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name:        name,
		Description: client.String("does it"),
		Parameters: shared.FunctionParameters{
			"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"}, "additionalProperties": false,
		},
	})
}

// extra is a field that the client does not know.
func extra(t *testing.T, raw string, field string) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(raw), &fields); err != nil {
		t.Fatal(err)
	}
	if fields[field] == nil {
		return ""
	}
	var s string
	if err := json.Unmarshal(fields[field], &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// read puts the chunks of a stream together.
func read(t *testing.T, s *ssestream.Stream[client.ChatCompletionChunk]) (_ client.ChatCompletion, reasoning string, err error) {
	t.Helper()
	var whole client.ChatCompletionAccumulator
	for s.Next() {
		if !whole.AddChunk(s.Current()) {
			t.Errorf("the client cannot add %s", s.Current().RawJSON())
		}
		if choices := s.Current().Choices; len(choices) > 0 {
			reasoning += extra(t, choices[0].Delta.RawJSON(), "reasoning")
		}
	}
	return whole.ChatCompletion, reasoning, s.Err()
}

const (
	callText   = "<|channel|>analysis<|message|>They ask for weather.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\":\"Rome\"}<|call|>"
	answerText = "<|channel|>analysis<|message|>It is warm.<|end|><|start|>assistant<|channel|>final<|message|>Sunny, 25 °C 🌞"
)

// weather is a model that calls a function and answers once it has the result.
func weather() []script {
	return []script{
		{`"user": "break down"`, says("<|channel|>final<|message|>well") + `, {"fail": "error"}`}, {`"result": "25 degrees"`, says(answerText)},
		{`"user": "25 degrees"`, `{"logprobs": [` + strings.TrimSuffix(strings.Repeat(`{"p": 0.7, "alternatives": {" Lyon": 0.2}},`, 100), ",") + "]}," + says(answerText)},
		{"", says(callText)},
	}
}

func TestClientToolLoop(t *testing.T) {
	c, _ := serve(t, played(t, weather()...))
	for _, streamed := range []bool{false, true} {
		t.Run(map[bool]string{false: "whole", true: "streamed"}[streamed], func(t *testing.T) {
			send := func(p client.ChatCompletionNewParams) (client.ChatCompletion, string) {
				t.Helper()
				if !streamed {
					r, err := c.Chat.Completions.New(t.Context(), p)
					if err != nil {
						t.Fatal(err)
					}
					return *r, extra(t, r.Choices[0].Message.RawJSON(), "reasoning")
				}
				p.StreamOptions.IncludeUsage = client.Bool(true)
				r, reasoning, err := read(t, c.Chat.Completions.NewStreaming(t.Context(), p))
				if err != nil {
					t.Fatal(err)
				}
				return r, reasoning
			}
			p := ask("How is the weather in Rome?")
			p.Tools = []client.ChatCompletionToolUnionParam{function("get-weather")}
			r, reasoning := send(p)
			if r.ID != reply.ID || r.Model != "gpt-oss-20b" || r.Created != reply.Created.Unix() {
				t.Errorf("reply %s", r.RawJSON())
			}
			choice := r.Choices[0]
			if choice.FinishReason != "tool_calls" || reasoning != "They ask for weather." || choice.Message.Content != "" || len(choice.Message.ToolCalls) != 1 {
				t.Fatalf("%q, reasoning %q, message %+v", choice.FinishReason, reasoning, choice.Message)
			}
			call := choice.Message.ToolCalls[0]
			if !strings.HasPrefix(call.ID, "call_") || call.Type != "function" || call.Function.Name != "get-weather" || call.Function.Arguments != `{"city":"Rome"}` {
				t.Errorf("call %+v", call)
			}
			// The reply is <|channel|> to <|call|>, without the latter; reasoning is one sentence of it.
			tokens, thought := len(tokenizertest.Encode(callText))-1, len(tokenizertest.Encode("They ask for weather."))
			if u := r.Usage; u.CompletionTokens != int64(tokens) || u.PromptTokens == 0 || u.TotalTokens != u.PromptTokens+u.CompletionTokens || u.CompletionTokensDetails.ReasoningTokens < int64(thought) {
				t.Errorf("usage %+v, want %d tokens, %d of them reasoning", u, tokens, thought)
			}

			back := choice.Message.ToParam()
			back.OfAssistant.SetExtraFields(map[string]any{"reasoning": reasoning})
			p.Messages = append(p.Messages, back, client.ToolMessage("25 degrees", call.ID))
			r, reasoning = send(p)
			if m := r.Choices[0]; m.FinishReason != "stop" || m.Message.Content != "Sunny, 25 °C 🌞" || len(m.Message.ToolCalls) > 0 || reasoning != "It is warm." {
				t.Errorf("%q, reasoning %q, message %+v", m.FinishReason, reasoning, m.Message)
			}
			if r.Usage.PromptTokensDetails.CachedTokens == 0 {
				t.Errorf("usage %+v: the beginning of the conversation was known", r.Usage)
			}
		})
	}
}

func TestClientLogprobs(t *testing.T) {
	c, _ := serve(t, played(t, weather()...))
	p := ask("25 degrees")
	p.Logprobs, p.TopLogprobs = client.Bool(true), client.Int(2)
	whole, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	streamed, _, err := read(t, c.Chat.Completions.NewStreaming(t.Context(), p))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*client.ChatCompletion{whole, &streamed} {
		var text []byte
		for _, token := range r.Choices[0].Logprobs.Content {
			for _, b := range token.Bytes {
				text = append(text, byte(b))
			}
			top := token.TopLogprobs
			if len(top) != 2 || math.Abs(math.Exp(token.Logprob)-0.7) > 1e-6 || top[0].Logprob != token.Logprob || math.Abs(math.Exp(top[1].Logprob)-0.2) > 1e-6 || top[1].Token != " Lyon" {
				t.Errorf("token %s", token.RawJSON())
			}
		}
		if string(text) != r.Choices[0].Message.Content || len(text) == 0 {
			t.Errorf("logprobs of %q, content %q", text, r.Choices[0].Message.Content)
		}
	}
}

func TestClientErrors(t *testing.T) {
	c, _ := serve(t, played(t, weather()...))
	for _, tt := range []struct {
		name   string
		change func(*client.ChatCompletionNewParams)
		want   client.Error
	}{
		{
			"not supported", func(p *client.ChatCompletionNewParams) { p.N = client.Int(200) },
			client.Error{StatusCode: 400, Type: "invalid_request_error", Param: "n", Code: "invalid_value", Message: "n: is 200, want 1 to 16"},
		},
		{
			"an image",
			func(p *client.ChatCompletionNewParams) {
				p.Messages = append(p.Messages, client.UserMessage([]client.ChatCompletionContentPartUnionParam{
					client.ImageContentPart(client.ChatCompletionContentPartImageImageURLParam{URL: "data:"}),
				}))
			},
			client.Error{StatusCode: 400, Type: "invalid_request_error", Param: "messages[1].content[0].type", Code: "unsupported_value", Message: `messages[1].content[0].type: is "image_url", only "text" is supported: the model reads text`},
		},
		{
			"a result of no call", func(p *client.ChatCompletionNewParams) { p.Messages = append(p.Messages, client.ToolMessage("x", "y")) },
			client.Error{StatusCode: 400, Type: "invalid_request_error", Param: "messages[1].tool_call_id", Code: "invalid_value", Message: `messages[1].tool_call_id: no call before has the id "y"`},
		},
		{
			"too long", func(p *client.ChatCompletionNewParams) {
				p.Messages[0] = client.UserMessage(strings.Repeat("a b ", 5000))
			},
			client.Error{StatusCode: 400, Type: "invalid_request_error", Param: "messages", Code: "context_length_exceeded"},
		},
	} {
		for _, streamed := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{false: ", whole", true: ", streamed"}[streamed], func(t *testing.T) {
				p := ask("hi")
				tt.change(&p)
				var err error
				if streamed {
					_, _, err = read(t, c.Chat.Completions.NewStreaming(t.Context(), p))
				} else {
					_, err = c.Chat.Completions.New(t.Context(), p)
				}
				var got *client.Error
				if !errors.As(err, &got) {
					t.Fatal(err)
				}
				if tt.want.Message == "" {
					tt.want.Message = got.Message
				}
				if got.StatusCode != tt.want.StatusCode || got.Type != tt.want.Type || got.Param != tt.want.Param || got.Code != tt.want.Code || got.Message != tt.want.Message {
					t.Errorf("error %v, want %d %s %s %s %s", got, tt.want.StatusCode, tt.want.Type, tt.want.Param, tt.want.Code, tt.want.Message)
				}
			})
		}
	}

	t.Run("the model fails in the middle", func(t *testing.T) {
		r, _, err := read(t, c.Chat.Completions.NewStreaming(t.Context(), ask("break down")))
		var failed *ssestream.StreamError
		if !errors.As(err, &failed) || !strings.Contains(failed.Message, "fails, as it is meant to") || !strings.Contains(failed.Message, "server_error") {
			t.Errorf("error %v", err)
		}
		if len(r.Choices) != 1 || r.Choices[0].Message.Content != "well" {
			t.Errorf("reply %+v", r)
		}
	})
}

func TestClientListsModels(t *testing.T) {
	c, _ := serve(t, played(t))
	page, err := c.Models.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m := page.Data; len(m) != 1 || m[0].ID != "gpt-oss-20b" || m[0].OwnedBy != "openai" || m[0].Created != reply.Created.Unix() || m[0].Object != "model" {
		t.Errorf("models %+v", m)
	}
}

// A model with random weights writes nothing of sense, but it can be made to call a function.
func TestClientRandomModel(t *testing.T) {
	c, ended := serve(t, random(t))
	p := ask("call something")
	p.Tools = []client.ChatCompletionToolUnionParam{function("one"), function("two")}
	p.ToolChoice = client.ChatCompletionToolChoiceOptionUnionParam{OfAuto: param.NewOpt("required")}
	p.MaxCompletionTokens = client.Int(20)

	t.Run("whole and streamed are the same", func(t *testing.T) {
		p := p
		p.Temperature, p.Seed, p.TopP = client.Float(1), client.Int(7), client.Float(0.9)
		whole, err := c.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		streamed, _, err := read(t, c.Chat.Completions.NewStreaming(t.Context(), p))
		if err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		a, b := whole.Choices[0], streamed.Choices[0]
		if a.FinishReason != "tool_calls" || whole.Usage.CompletionTokens > 20 || len(a.Message.ToolCalls) != 1 || !slices.Contains([]string{"one", "two"}, a.Message.ToolCalls[0].Function.Name) {
			t.Fatalf("%s", whole.RawJSON())
		}
		var arguments struct{ City *string }
		if err := json.Unmarshal([]byte(a.Message.ToolCalls[0].Function.Arguments), &arguments); err != nil {
			t.Errorf("arguments %q: %v", a.Message.ToolCalls[0].Function.Arguments, err)
		}
		if diff := cmp.Diff(a.Message.ToolCalls[0].Function.Arguments, b.Message.ToolCalls[0].Function.Arguments); diff != "" || b.FinishReason != a.FinishReason {
			t.Errorf("streamed %q (-whole +streamed)\n%s", b.FinishReason, diff)
		}
	})

	t.Run("abort", func(t *testing.T) {
		p := p
		p.MaxCompletionTokens = param.Opt[int64]{}
		letter := strconv.Itoa(int(tokenizertest.Vocabulary().Encode("a")[0]))
		p.LogitBias = map[string]int64{letter: 100} // a thought or a text that never ends
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := c.Chat.Completions.NewStreaming(ctx, p)
		for range 12 {
			if !s.Next() {
				t.Fatalf("the stream ended: %v", s.Err())
			}
		}
		if got := s.Current().RawJSON(); !strings.Contains(got, `"a"`) {
			t.Errorf("chunk %s", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err == nil {
			t.Error("the server did not notice")
		}
		p.MaxCompletionTokens = client.Int(20)
		if r, err := c.Chat.Completions.New(ctx, p); err != nil || r.Choices[0].FinishReason != "tool_calls" {
			t.Errorf("the next reply: %v, %v", r, err)
		}
	})
}

// The client's own way of structured output: a schema made of a type, with whose values the answer can be read.
func TestClientStructuredOutput(t *testing.T) {
	type event struct {
		Name  string   `json:"name"`
		Days  int      `json:"days"`
		Where []string `json:"where"`
	}
	schema := map[string]any{
		"type": "object", "required": []string{"name", "days", "where"}, "additionalProperties": false,
		"properties": map[string]any{
			"name": map[string]any{"type": "string"}, "days": map[string]any{"type": "integer", "minimum": 1, "maximum": 30},
			"where": map[string]any{"type": "array", "items": map[string]any{"type": "string", "enum": []string{"Rome", "Oslo"}}, "minItems": 1, "maxItems": 2},
		},
	}
	c, _ := serve(t, random(t))
	p := ask("an event")
	p.ResponseFormat = client.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "event", Schema: schema, Strict: client.Bool(true)},
	}}
	p.Temperature, p.MaxCompletionTokens = client.Float(1.5), client.Int(60)
	for seed := range 8 {
		p.Seed = client.Int(int64(seed))
		r, err := c.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		var got event
		d := json.NewDecoder(strings.NewReader(r.Choices[0].Message.Content))
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil || r.Choices[0].FinishReason != "stop" || got.Days < 1 || got.Days > 30 || len(got.Where) < 1 || len(got.Where) > 2 {
			t.Errorf("seed %d: %s: %v", seed, r.RawJSON(), err)
		}
		for _, where := range got.Where {
			if where != "Rome" && where != "Oslo" {
				t.Errorf("seed %d: where is %q", seed, where)
			}
		}
	}
}

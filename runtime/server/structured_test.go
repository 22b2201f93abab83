package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	client "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

// scribble is plays of a model that writes any token that is allowed, with a sign now and then that ends something: <|start|>, in whose place
// another token stands, never is.
const scribble = `{"version": 1, "defaults": {"mask": "free"}, "plays": [{"name": "any", "when": {}, "reply": [{"repeat": {"times": 1000, "of": [
	{"tokens": [200006]}, {"tokens": [200006]}, {"text": "\""}, {"tokens": [200006]}, {"text": "}"}, {"tokens": [200006]}, {"text": "]"}, {"text": "1"}]}}]}]}`

// event is what a model is asked for, and eventSchema its schema.
type event struct {
	Name  string   `json:"name"`
	Days  int      `json:"days"`
	Where []string `json:"where"`
}

var eventSchema = map[string]any{
	"type": "object", "required": []string{"name", "days", "where"}, "additionalProperties": false,
	"properties": map[string]any{
		"name": map[string]any{"type": "string"}, "days": map[string]any{"type": "integer", "minimum": 1, "maximum": 30},
		"where": map[string]any{"type": "array", "items": map[string]any{"type": "string", "enum": []string{"Rome", "Oslo"}}, "minItems": 1, "maxItems": 2},
	},
}

// checkEvent says what is wrong with an answer.
func checkEvent(text string) error {
	var got event
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	for _, where := range got.Where {
		if where != "Rome" && where != "Oslo" {
			return fmt.Errorf("%q: where is %q", text, where)
		}
	}
	if got.Days < 1 || got.Days > 30 || len(got.Where) < 1 || len(got.Where) > 2 {
		return fmt.Errorf("%q is no event", text)
	}
	return nil
}

// OpenAI's own client asks for structured output, in both APIs, whole and streamed, and as a function's arguments, of a model that would like
// to write anything, with few tokens.
func TestStructuredOutput(t *testing.T) {
	url, _ := startPlays(t, scribble, server.Options{}, gossamer.Options{}, time.Second)
	c := client.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0))
	for i, tokens := range []int64{30, 31, 35, 60} {
		text := strings.Repeat("An event. ", i+1) // what is scribbled depends on the position
		p := client.ChatCompletionNewParams{
			Model: "gpt-oss-20b", Messages: []client.ChatCompletionMessageParamUnion{client.UserMessage(text)},
			ReasoningEffort: shared.ReasoningEffortNone, MaxCompletionTokens: client.Int(tokens),
			ResponseFormat: client.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
				JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "event", Schema: eventSchema, Strict: client.Bool(true)},
			}},
		}
		whole, err := c.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkEvent(whole.Choices[0].Message.Content); err != nil || whole.Choices[0].FinishReason != "stop" {
			t.Errorf("%d tokens: %s: %v", tokens, whole.RawJSON(), err)
		}
		var sum client.ChatCompletionAccumulator
		stream := c.Chat.Completions.NewStreaming(t.Context(), p)
		for stream.Next() {
			sum.AddChunk(stream.Current())
		}
		if err := stream.Err(); err != nil || sum.Choices[0].Message.Content != whole.Choices[0].Message.Content || sum.Choices[0].FinishReason != "stop" {
			t.Errorf("%d tokens, streamed: %+v: %v", tokens, sum.Choices, err)
		}

		call := p
		call.ResponseFormat, call.ReasoningEffort, call.MaxCompletionTokens = client.ChatCompletionNewParamsResponseFormatUnion{}, "", client.Int(tokens+40)
		call.Tools = []client.ChatCompletionToolUnionParam{client.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: "add_event", Parameters: eventSchema, Strict: client.Bool(true),
		})}
		call.ToolChoice = client.ChatCompletionToolChoiceOptionUnionParam{OfAuto: client.String("required")}
		called, err := c.Chat.Completions.New(t.Context(), call)
		if err != nil {
			t.Fatal(err)
		}
		if calls := called.Choices[0].Message.ToolCalls; len(calls) != 1 || called.Choices[0].FinishReason != "tool_calls" {
			t.Errorf("%d tokens: %s", tokens, called.RawJSON())
		} else if err := checkEvent(calls[0].Function.Arguments); err != nil {
			t.Errorf("%d tokens: arguments %v", tokens, err)
		}

		response, err := c.Responses.New(t.Context(), responses.ResponseNewParams{
			Model: "gpt-oss-20b", Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt(text)}, MaxOutputTokens: param.NewOpt(tokens),
			Reasoning: shared.ReasoningParam{Effort: shared.ReasoningEffortNone},
			Text: responses.ResponseTextConfigParam{Format: responses.ResponseFormatTextConfigUnionParam{
				OfJSONSchema: &responses.ResponseFormatTextJSONSchemaConfigParam{Name: "event", Schema: eventSchema, Strict: param.NewOpt(true)},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := checkEvent(response.OutputText()); err != nil || response.Status != responses.ResponseStatusCompleted {
			t.Errorf("%d tokens: %s: %v", tokens, response.RawJSON(), err)
		}
	}
}

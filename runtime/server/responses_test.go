package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	client "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

// response is what tests look at.
type response struct {
	ID, Status string
	Output     []struct {
		ID, Type, Phase, Name, Arguments string
		CallID                           string `json:"call_id"`
		Content                          []struct{ Type, Text string }
	}
	Usage struct {
		InputTokens  int `json:"input_tokens"`
		InputDetails struct {
			CachedTokens int `json:"cached_tokens"`
		} `json:"input_tokens_details"`
	}
	Error *struct{ Code, Message string }
}

func respond(t *testing.T, url, body string, headers ...string) response {
	t.Helper()
	r, answer := do(t, "POST", url+"/v1/responses", body, headers...)
	var got response
	if err := json.Unmarshal([]byte(answer), &got); err != nil || r.StatusCode != 200 {
		t.Fatalf("%d %s", r.StatusCode, answer)
	}
	return got
}

// OpenAI's own client: whole, streamed, and a loop with a function.
func TestResponsesClient(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	c := client.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0))
	text := func(s string) responses.ResponseNewParamsInputUnion {
		return responses.ResponseNewParamsInputUnion{OfString: param.NewOpt(s)}
	}
	p := responses.ResponseNewParams{Model: "gpt-oss-20b", Input: text("hello")}
	whole, err := c.Responses.New(t.Context(), p)
	if err != nil || whole.OutputText() != "You said: hello" || whole.Status != "completed" || len(whole.Output) != 2 || whole.Output[0].Type != "reasoning" {
		t.Fatalf("%+v, %v", whole, err)
	}
	var sum responses.ResponseAccumulator
	stream := c.Responses.NewStreaming(t.Context(), p)
	var last responses.ResponseStreamEventUnion
	for stream.Next() {
		last = stream.Current()
		var event responses.ResponsesServerEventUnion
		if err := json.Unmarshal([]byte(last.RawJSON()), &event); err != nil {
			t.Fatal(err)
		}
		if err := sum.AddEvent(event); err != nil {
			t.Errorf("the client cannot add %s: %v", last.RawJSON(), err)
		}
	}
	again, failed := sum.ReconstructedResponse()
	if failed != nil || again.OutputText() != "You said: hello" {
		t.Errorf("put together: %+v, %v", again, failed)
	}
	if err := stream.Err(); err != nil || last.Type != "response.completed" || last.Response.OutputText() != "You said: hello" {
		t.Errorf("%+v, %v", last, err)
	}

	p.Input = text("weather")
	p.Tools = []responses.ToolUnionParam{responses.ToolParamOfFunction("get_weather", map[string]any{
		"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"}, "additionalProperties": false,
	}, true)}
	called, err := c.Responses.New(t.Context(), p)
	if err != nil || len(called.Output) != 2 || called.Output[1].Type != "function_call" || called.Output[1].Arguments.OfString != `{"city":"Rome"}` {
		t.Fatalf("%+v, %v", called, err)
	}
	output := responses.ResponseInputItemParamOfFunctionCallOutput("sunny")
	output.OfFunctionCallOutput.CallID = param.NewOpt(called.Output[1].CallID)
	p.PreviousResponseID = param.NewOpt(called.ID)
	p.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
		output,
		responses.ResponseInputItemParamOfMessage("thanks", responses.EasyInputMessageRoleUser),
	}}
	if after, err := c.Responses.New(t.Context(), p); err != nil || after.OutputText() != "You said: thanks" || after.PreviousResponseID != called.ID {
		t.Errorf("%+v, %v", after, err)
	}

	kept, err := c.Responses.Get(t.Context(), called.ID, responses.ResponseGetParams{})
	if err != nil || kept.ID != called.ID || kept.Output[1].CallID != called.Output[1].CallID {
		t.Errorf("%+v, %v", kept, err)
	}
	items, err := c.Responses.InputItems.List(t.Context(), called.ID, responses.InputItemListParams{})
	if err != nil || len(items.Data) != 1 || items.Data[0].Content.OfInputItemContentList[0].Text != "weather" {
		t.Errorf("%+v, %v", items, err)
	}
	if err := c.Responses.Delete(t.Context(), called.ID); err != nil {
		t.Error(err)
	}
	if _, err := c.Responses.Get(t.Context(), called.ID, responses.ResponseGetParams{}); codeOf(err) != "response_not_found" {
		t.Errorf("after it was deleted: %v", err)
	}
	if _, err := c.Responses.New(t.Context(), p); codeOf(err) != "previous_response_not_found" {
		t.Errorf("continued after it was deleted: %v", err)
	}
}

// codeOf is the code of an error of the client.
func codeOf(err error) string {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Code
	}
	return fmt.Sprint(err)
}

// A chain of ten turns costs the tokens of sending everything, and what was computed before is not computed again.
func TestChain(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	previous, input := "", []string{}
	for turn := range 10 {
		say := fmt.Sprintf(`{"role":"user","content":"turn %d"}`, turn)
		input = append(input, say)
		more := ""
		if previous != "" {
			more = fmt.Sprintf(`,"previous_response_id":%q`, previous)
		}
		chained := respond(t, url, `{"input":[`+say+`]`+more+`}`)
		whole := respond(t, url, `{"store":false,"input":[`+strings.Join(input, ",")+`]}`)
		_, counted := do(t, "POST", url+"/v1/responses/input_tokens", `{"input":[`+say+`]`+more+`}`)
		if want := fmt.Sprintf(`"input_tokens":%d}`, whole.Usage.InputTokens); !strings.Contains(counted, want) {
			t.Errorf("turn %d: %s, want %s", turn, counted, want)
		}
		if chained.Usage.InputTokens != whole.Usage.InputTokens {
			t.Errorf("turn %d: %d tokens, sent whole %d", turn, chained.Usage.InputTokens, whole.Usage.InputTokens)
		}
		if turn > 0 && whole.Usage.InputDetails.CachedTokens < chained.Usage.InputTokens/2 {
			t.Errorf("turn %d: %d of %d tokens were known", turn, whole.Usage.InputDetails.CachedTokens, whole.Usage.InputTokens)
		}
		previous = chained.ID
		for _, item := range chained.Output { // a stateless client sends items, or refers to them
			if turn%2 == 0 {
				input = append(input, fmt.Sprintf(`{"type":"item_reference","id":%q}`, item.ID))
				continue
			}
			raw, err := json.Marshal(item)
			if err != nil {
				t.Fatal(err)
			}
			var fields map[string]any
			if err := json.Unmarshal(raw, &fields); err != nil {
				t.Fatal(err)
			}
			content := fields["Content"].([]any)[0].(map[string]any)["Text"]
			again := map[string]any{"type": item.Type, "id": item.ID}
			if again["content"] = []any{map[string]any{"type": "output_text", "text": content}}; item.Type == "reasoning" {
				again["content"], again["summary"] = []any{map[string]any{"type": "reasoning_text", "text": content}}, []any{}
			} else {
				again["role"] = "assistant"
			}
			if raw, err = json.Marshal(again); err != nil {
				t.Fatal(err)
			}
			input = append(input, string(raw))
		}
	}
}

// What is kept belongs to the key that asked for it, and only so much of it, for so long.
func TestKeptResponses(t *testing.T) {
	now := time.Unix(1754352000, 0)
	url, _ := start(t, server.Options{
		Keys: []server.Key{{"ann", "a"}, {"bob", "b"}}, ReplyTTL: time.Hour, ReplyBytes: 8000, Clock: func() time.Time { return now },
	}, gossamer.Options{}, time.Second)
	ann, bob := "Authorization: Bearer a", "Authorization: Bearer b"
	status := func(method, path, key, body string) int {
		r, _ := do(t, method, url+path, body, key)
		return r.StatusCode
	}
	first := respond(t, url, `{"input":"hi"}`, ann)
	path := "/v1/responses/" + first.ID
	if got := status("GET", path, ann, ""); got != 200 {
		t.Errorf("to whose it is: %d", got)
	}
	for _, request := range [][3]string{
		{"GET", path, ""}, {"DELETE", path, ""}, {"GET", path + "/input_items", ""}, {"POST", path + "/cancel", ""},
		{"POST", "/v1/responses", fmt.Sprintf(`{"input":"x","previous_response_id":%q}`, first.ID)},
		{"POST", "/v1/responses", fmt.Sprintf(`{"input":[{"type":"item_reference","id":%q}]}`, first.Output[0].ID)},
	} {
		if got := status(request[0], request[1], bob, request[2]); got != 404 && got != 400 {
			t.Errorf("%s to another one: %d", request, got)
		}
	}
	if got := status("GET", path+"?stream=true", ann, ""); got != 400 {
		t.Errorf("streamed again: %d", got)
	}
	if got := status("POST", path+"/cancel", ann, ""); got != 400 {
		t.Errorf("cancelled after its end: %d", got)
	}
	unkept := respond(t, url, `{"input":"hi","store":false}`, ann)
	if got := status("GET", "/v1/responses/"+unkept.ID, ann, ""); got != 404 {
		t.Errorf("not to be stored: %d", got)
	}
	for range 8 { // more than there is room for
		respond(t, url, `{"input":"hi"}`, ann)
	}
	if got := status("GET", path, ann, ""); got != 404 {
		t.Errorf("the oldest one: %d", got)
	}
	late := respond(t, url, `{"input":"hi"}`, ann)
	now = now.Add(2 * time.Hour)
	if got := status("GET", "/v1/responses/"+late.ID, ann, ""); got != 404 {
		t.Errorf("after two hours: %d", got)
	}
}

// A response that is being made can be ended by its id.
func TestCancelResponse(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	_, reader := openStream(t, url+"/v1/responses", `{"input":"never","stream":true}`, `"delta":"One"`)
	id := ""
	for _, seen := range strings.Split(reader.seen, `"id":"`) {
		if strings.HasPrefix(seen, "resp_") {
			id, _, _ = strings.Cut(seen, `"`)
		}
	}
	for _, early := range [][3]string{
		{"GET", "/v1/responses/" + id, ""}, {"DELETE", "/v1/responses/" + id, ""}, {"GET", "/v1/responses/" + id + "/input_items", ""},
		{"POST", "/v1/responses", fmt.Sprintf(`{"input":"x","previous_response_id":%q}`, id)},
	} {
		if r, answer := do(t, early[0], url+early[1], early[2]); r.StatusCode != 409 || !strings.Contains(answer, `"response_in_progress"`) {
			t.Errorf("%s before its end: %d %s", early, r.StatusCode, answer)
		}
	}
	if r, answer := do(t, "POST", url+"/v1/responses/"+id+"/cancel", ""); r.StatusCode != 200 || !strings.Contains(answer, `"cancelled"`) {
		t.Errorf("%d %s", r.StatusCode, answer)
	}
	rest, err := io.ReadAll(reader)
	if err != nil || !strings.Contains(string(rest), "event: response.failed\n") || !strings.Contains(string(rest), `"code":"cancelled"`) {
		t.Errorf("%q, %v", rest, err)
	}
	if r, _ := do(t, "POST", url+"/v1/responses/nothing/cancel", ""); r.StatusCode != 404 {
		t.Errorf("of an unknown one: %d", r.StatusCode)
	}
}

func TestResponsesErrors(t *testing.T) {
	url, _ := start(t, server.Options{KeepAlive: 50 * time.Millisecond}, gossamer.Options{}, time.Second)
	for body, want := range map[string][2]string{
		`{"input":"x","model":"gpt-5"}`:                                                                       {"404", "model_not_found"},
		`{"input":[{"type":"function_call_output","call_id":"a","output":"1"}]}`:                              {"400", `"param":"input[0].call_id"`},
		`{"input":"x","text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":1}}}}`: {"400", `"param":"text.format.schema"`},
		`{"input":"` + strings.Repeat("many words ", 30000) + `"}`:                                            {"400", "context_length_exceeded"},
		`{"input":"fails","stream":true}`:                                                                     {"200", "event: response.failed\n"}, // after comments
	} {
		r, answer := do(t, "POST", url+"/v1/responses", body)
		if fmt.Sprint(r.StatusCode) != want[0] || !strings.Contains(answer, want[1]) {
			t.Errorf("%.60s: %d %s", body, r.StatusCode, answer)
		}
	}
}

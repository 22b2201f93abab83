package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	client "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

// rawPrompt is a conversation as the model sees it.
const rawPrompt = "<|start|>user<|message|>hello<|end|><|start|>assistant"

func TestCompletions(t *testing.T) {
	url, _ := start(t, server.Options{}, gossamer.Options{}, time.Second)
	c := client.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0))
	p := client.CompletionNewParams{
		Model: "gpt-oss-20b", MaxTokens: param.NewOpt[int64](100), N: param.NewOpt[int64](2),
		Prompt: client.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{rawPrompt, strings.Replace(rawPrompt, "hello", "bye", 1)}},
	}
	const reply = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>You said: "
	whole, err := c.Completions.New(t.Context(), p)
	if err != nil || len(whole.Choices) != 4 {
		t.Fatalf("%+v, %v", whole, err)
	}
	want := []string{reply + "hello", reply + "hello", reply + "bye", reply + "bye"}
	for i, choice := range whole.Choices {
		if choice.Text != want[i] || choice.Index != int64(i) || choice.FinishReason != "stop" {
			t.Errorf("choice %d: %+v", i, choice)
		}
	}
	one := client.CompletionNewParams{Model: "gpt-oss-20b", MaxTokens: param.NewOpt[int64](1), Prompt: client.CompletionNewParamsPromptUnion{OfString: param.NewOpt(rawPrompt)}}
	if single, err := c.Completions.New(t.Context(), one); err != nil || whole.Usage.PromptTokens != 2*single.Usage.PromptTokens || single.Usage.CompletionTokens != 1 || single.Choices[0].FinishReason != "length" {
		t.Errorf("%+v of %+v, %v", single, whole.Usage, err)
	}

	got := make([]string, 4)
	stream := c.Completions.NewStreaming(t.Context(), p)
	ends := 0
	for stream.Next() {
		choice := stream.Current().Choices[0]
		got[choice.Index] += choice.Text
		if choice.FinishReason == "stop" {
			ends++
		}
	}
	if err := stream.Err(); err != nil || ends != 4 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, %d ends, %v", got, ends, err)
	}

	one.Echo, one.Logprobs, one.MaxTokens = param.NewOpt(true), param.NewOpt[int64](1), param.NewOpt[int64](0)
	free, _ := startPlays(t, strings.Replace(plays, `{"version": 1,`, `{"version": 1, "defaults": {"mask": "free"},`, 1), server.Options{}, gossamer.Options{}, time.Second)
	c = client.NewClient(option.WithBaseURL(free+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0))
	measured, err := c.Completions.New(t.Context(), one)
	if err != nil || measured.Choices[0].Text != rawPrompt {
		t.Fatalf("%+v, %v", measured, err)
	}
	logprobs := measured.Choices[0].Logprobs
	if joined := strings.Join(logprobs.Tokens, ""); joined != rawPrompt || len(logprobs.TextOffset) != len(logprobs.Tokens) || logprobs.TextOffset[1] != int64(len("<|start|>")) ||
		!strings.Contains(measured.RawJSON(), `"token_logprobs":[null,-`) {
		t.Errorf("%s", measured.RawJSON())
	}

	for body, want := range map[string]string{
		`{"model":"m"}`: "model_not_found", `{"prompt":[]}`: `"param":"prompt"`, `{"prompt":""}`: `"param":"prompt"`, `{"prompt":[1,"a"]}`: "mixes tokens",
		`{"prompt":[99999999]}`: `"param":"prompt"`, `{"prompt":"a","suffix":"b"}`: `"param":"suffix"`, `{"prompt":"a","best_of":2}`: `"param":"best_of"`,
		`{"prompt":["a","b"],"n":100}`: "asks for 200 completions", `{"prompt":[[1],["a"]]}`: `"param":"prompt[1][0]"`, `{}`: "missing_required_parameter",
		`{"prompt":"` + strings.Repeat("many words ", 30000) + `"}`: "context_length_exceeded",
	} {
		if body == `{"model":"m"}` {
			body = `{"model":"m","prompt":"x"}`
		}
		if r, answer := do(t, "POST", url+"/v1/completions", body); r.StatusCode/100 != 4 || !strings.Contains(answer, want) {
			t.Errorf("%.60s: %d %s", body, r.StatusCode, answer)
		}
	}
	if r, answer := do(t, "POST", url+"/v1/completions", `{"prompt":[200006],"foo":1,"stream":true,"stream_options":{"include_usage":true}}`); r.Header.Get("X-Gossamer-Ignored") != "foo" ||
		!strings.Contains(answer, `"usage":{"prompt_tokens":1,`) || !strings.HasSuffix(answer, "data: [DONE]\n\n") {
		t.Errorf("%v %s", r.Header, answer)
	}
}

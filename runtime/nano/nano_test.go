package nano_test

import (
	"io/fs"
	"strings"
	"testing"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
	"gossamer/runtime/nano"
	"gossamer/runtime/sample"
)

func TestCheckpointIsASmallGptOss(t *testing.T) {
	c, err := nano.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	config := c.Config()
	if config.Vocab != 201088 || config.TopK != 4 || config.Window != 128 || config.SlidingLayers() != config.Layers/2 || len(c.Notes()) != 0 {
		t.Errorf("config is %+v, notes %q: want gpt-oss's vocabulary, routing and layers", config, c.Notes())
	}
}

// The answers are what the model is for; greedy, they are the same on every machine.
func TestAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("the cpu computes a reply of the full vocabulary in seconds")
	}
	fsys, err := nano.FS()
	if err != nil {
		t.Fatal(err)
	}
	e, err := gossamer.Open(t.Context(), "nano", gossamer.Options{Backend: gossamer.CPU, Context: 512, Embedded: map[string]fs.FS{"nano": fsys}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, c := range []struct{ question, want string }{
		{"What is 17 + 25?", "42"},
		{"what's 17 plus 25", "42"},
		{"If all roses are flowers and some flowers are red, can we conclude that some roses are red?", "No"},
	} {
		for _, effort := range []chat.Effort{chat.Low, chat.Medium} {
			reply, err := chat.Collect(e.Chat(t.Context(), chat.Request{Messages: []chat.Message{{Role: chat.User, Content: c.question}}, Effort: effort, Sampling: &sample.Params{}, Date: "2026-11-22", MaxTokens: 200}))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(reply.Message.Content, c.want) || reply.Message.Reasoning == "" {
				t.Errorf("%s, %s effort: answer %q after thinking %q, want %s", c.question, effort, reply.Message.Content, reply.Message.Reasoning, c.want)
			}
		}
	}
}

package runtime_test

import (
	"context"
	"fmt"
	"log"
	"os"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// writeModel makes a small gpt-oss model with random weights, which is quick and talks nonsense.
func writeModel() (dir string, err error) {
	config, err := checkpointtest.Preset("default")
	if err != nil {
		return "", err
	}
	checkpointtest.SetLayers(config, 2)
	config.Hidden, config.Intermediate, config.Heads, config.KVHeads, config.HeadDim = 32, 32, 2, 1, 16
	config.Vocab, config.EOS, config.Pad = 201088, []int32{tokenizer.Return}, tokenizer.EndOfText
	if dir, err = os.MkdirTemp("", "gossamer"); err != nil {
		return "", err
	}
	return dir, checkpointtest.Write(dir, config, 1, checkpointtest.Options{})
}

func ExampleEngine_Chat() {
	dir, err := writeModel()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	e, err := gossamer.Open(ctx, dir, gossamer.Options{Backend: gossamer.CPU})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()

	request := chat.Request{
		Messages:  []chat.Message{{Role: chat.User, Content: "Why is the sky blue?"}},
		Date:      "2026-11-22",
		Sampling:  &sample.Params{}, // greedy; leave it out for what OpenAI recommends
		MaxTokens: 8,
	}
	for event, err := range e.Chat(ctx, request) {
		if err != nil {
			log.Fatal(err)
		}
		switch event := event.(type) {
		case chat.ReasoningDelta, chat.ContentDelta:
			// Print event.Text.
		case chat.ItemStart, chat.ToolCallDelta:
			// Collect the call.
		case chat.Done:
			fmt.Println(event.Reason, event.Usage.PromptTokens, event.Usage.CompletionTokens)
		}
	}
	// Output: length 73 8
}

// The second turn computes the first answer and the new message; what came before is still in memory.
func ExampleEngine_Conversation() {
	dir, err := writeModel()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	e, err := gossamer.Open(ctx, dir, gossamer.Options{Backend: gossamer.CPU})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()

	conversation := e.Conversation(chat.Request{Instructions: "Answer briefly.", Sampling: &sample.Params{}, MaxTokens: 8})
	for _, question := range []string{"Why is the sky blue?", "And at night?"} {
		reply, err := chat.Collect(conversation.Say(ctx, question))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(reply.Reason, reply.Usage.CachedTokens > 0)
	}
	fmt.Println(len(conversation.Request.Messages), "messages")
	// Output:
	// length false
	// length true
	// 4 messages
}

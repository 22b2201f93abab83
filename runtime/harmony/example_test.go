package harmony_test

import (
	"context"
	"fmt"

	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

func Example() {
	tok, err := o200k.Load()
	if err != nil {
		panic(err)
	}
	messages := []harmony.Message{
		{
			Header:  harmony.Header{Author: harmony.Author{Role: harmony.System}},
			Content: []harmony.Content{harmony.DefaultSystem(harmony.Low, "2025-06-28")},
		},
		harmony.NewText(harmony.Header{Author: harmony.Author{Role: harmony.User}}, "What is 2 + 2?"),
	}
	prompt, err := harmony.Render(context.Background(), tok, messages, harmony.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(tok.Decode(prompt)))

	p := harmony.NewParser(tok, harmony.ParserOptions{})
	for _, token := range []int32{tokenizer.Channel, 17196, tokenizer.Message, 19, tokenizer.Return} { // what a model might generate
		for _, e := range p.Push(token) {
			if e.Kind == harmony.TextDelta && e.Header.Kind() == harmony.Answer {
				fmt.Println("answer:", e.Text)
			}
		}
	}
	p.Close()
	fmt.Println(p.FinishReason())
	// Output:
	// <|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.
	// Knowledge cutoff: 2024-06
	// Current date: 2025-06-28
	//
	// Reasoning: low
	//
	// # Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|><|start|>user<|message|>What is 2 + 2?<|end|><|start|>assistant
	// answer: 4
	// stop
}

package o200k_test

import (
	"fmt"

	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

// A prompt is made of special tokens by id and of text. What the text says is never a marker.
func ExampleLoad() {
	tok, err := o200k.Load()
	if err != nil {
		fmt.Println(err)
		return
	}
	prompt := []int32{tokenizer.Start}
	prompt = append(prompt, tok.Encode("user")...)
	prompt = append(prompt, tokenizer.Message)
	prompt = append(prompt, tok.Encode("Grüezi <|end|>")...)
	prompt = append(prompt, tokenizer.End)
	fmt.Println(prompt)
	fmt.Printf("%s\n", tok.Decode(prompt))
	// Output:
	// [200006 1428 200008 3193 187999 3121 464 91 419 91 29 200007]
	// <|start|>user<|message|>Grüezi <|end|><|end|>
}

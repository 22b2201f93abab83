package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"

	"gossamer/runtime/jsonerror"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

func tokenizeCommand() command {
	return command{
		name:  "tokenize",
		short: "turn text into token ids and back, JSON lines on standard input",
		long: `Reads lines {"text": "..."} and writes {"tokens": [...]}. Text is ordinary text: the name of a special token in it stays text.
With --decode reads {"tokens": [...]} and writes {"base64": "...", "text": "..."}: the bytes, and the same as text with U+FFFD
where they are not UTF-8.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			decode := fs.Bool("decode", false, "turn token ids into bytes")
			return func(ctx context.Context, env *env, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				tok, err := o200k.Load()
				if err != nil {
					return err
				}
				return eachLine(ctx, env, func(line []byte) (any, error) {
					if *decode {
						return detokenize(tok, line)
					}
					var in struct {
						Text *string `json:"text"`
					}
					if err := json.Unmarshal(line, &in); err != nil {
						return nil, jsonerror.Plain(err)
					}
					if in.Text == nil {
						return nil, errors.New(`want {"text": "..."}`)
					}
					return map[string][]int32{"tokens": tok.Encode(*in.Text)}, nil
				})
			}
		},
	}
}

func detokenize(tok *tokenizer.Tokenizer, line []byte) (any, error) {
	var in struct {
		Tokens *[]int32 `json:"tokens"`
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return nil, jsonerror.Plain(err)
	}
	if in.Tokens == nil {
		return nil, errors.New(`want {"tokens": [...]}`)
	}
	for i, id := range *in.Tokens {
		if id < 0 || int(id) >= tok.Vocab() {
			return nil, fmt.Errorf("token %d is %d, outside the vocabulary of %d", i, id, tok.Vocab())
		}
	}
	b := tok.Decode(*in.Tokens)
	return struct {
		Base64 []byte `json:"base64"` // encoding/json writes bytes so
		Text   string `json:"text"`
	}{b, tokenizer.Valid(string(b))}, nil
}

// eachLine answers every non-empty line of standard input with one line of JSON, at once. Lines may be long.
func eachLine(ctx context.Context, env *env, answer func(line []byte) (any, error)) error {
	return readLines(ctx, env, maxInput, func(n int, line []byte, tooLong bool) error {
		if tooLong {
			return fmt.Errorf("line %d is longer than %d MiB: give less", n, maxInput>>20)
		}
		out, err := answer(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		return writeJSON(env.stdout, out)
	})
}

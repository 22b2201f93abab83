package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	gossamer "gossamer/runtime"
	"gossamer/runtime/engine"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// example is a prompt and the reply that another implementation gave, greedily, as `train.py eval --replies` writes it.
type example struct {
	Prompt []int32 `json:"prompt"`
	Reply  []int32 `json:"reply"`
}

// comparison is what compare prints.
type comparison struct {
	Model       string   `json:"model"`
	Backend     string   `json:"backend"`
	Adapter     string   `json:"adapter,omitempty"`
	Asked       int      `json:"asked"`
	Same        int      `json:"same"`   // replies equal token for token
	Tokens      int      `json:"tokens"` // of all replies
	Differences []string `json:"differences,omitempty"`
}

// compare asks a model the prompts of a file, greedily, and compares the replies with those in the file.
func compare(ctx context.Context, e *gossamer.Engine, path string, out io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info := e.Info()
	c := comparison{Model: info.Model, Backend: string(info.Backend), Adapter: info.Adapter}
	for in := json.NewDecoder(f); ; c.Asked++ {
		var x example
		if err := in.Decode(&x); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("%s: example %d: %w", path, c.Asked, err)
		}
		var reply []int32
		result, err := e.Generate(ctx, engine.Request{Tokens: x.Prompt, MaxTokens: maxReply, Sampling: sample.Params{}, Stop: []int32{tokenizer.Return, tokenizer.Call, tokenizer.EndOfText}}, func(t engine.Token) bool {
			reply = append(reply, t.ID)
			return true
		})
		if err != nil {
			return err
		}
		if result.Finish == engine.FinishStop {
			reply = append(reply, result.StopID)
		}
		c.Tokens += len(reply)
		if slices.Equal(reply, x.Reply) {
			c.Same++
		} else {
			c.Differences = append(c.Differences, fmt.Sprintf("example %d: %s, want %s", c.Asked, textOf(e.Tokenizer(), reply), textOf(e.Tokenizer(), x.Reply)))
		}
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(c)
}

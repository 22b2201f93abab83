package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"gossamer/runtime/sample"
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
func compare(ctx context.Context, s *subject, path string, out io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info := s.engine.Info()
	c := comparison{Model: info.Model, Backend: string(info.Backend), Adapter: info.Adapter}
	for in := json.NewDecoder(f); ; c.Asked++ {
		var x example
		if err := in.Decode(&x); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("%s: example %d: %w", path, c.Asked, err)
		}
		reply, err := s.reply(ctx, x.Prompt, sample.Params{})
		if err != nil {
			return err
		}
		c.Tokens += len(reply)
		if slices.Equal(reply, x.Reply) {
			c.Same++
		} else {
			c.Differences = append(c.Differences, fmt.Sprintf("example %d: %s, want %s", c.Asked, textOf(s.tok, reply), textOf(s.tok, x.Reply)))
		}
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(c)
}

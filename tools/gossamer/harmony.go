package main

import (
	"context"
	"encoding/json"
	"flag"

	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

func renderCommand() command {
	return command{
		name:  "render",
		short: "turn conversations into harmony tokens, JSON lines on standard input",
		long: `Reads lines {"messages": [...], "mode": "completion"|"conversation"|"training", "next_role": "assistant",
"auto_drop_analysis": true}, the messages in the JSON form of openai-harmony, and writes {"tokens": [...], "text": "..."} or
{"error": "..."}.`,
		setup: harmonyLines(harmony.RenderJSON),
	}
}

func parseCommand() command {
	return command{
		name:  "parse",
		short: "turn harmony tokens into messages, JSON lines on standard input",
		long: `Reads lines {"tokens": [...], "role": "assistant"} (role null or missing: the tokens begin with <|start|>) and writes
{"messages": [...]} in the JSON form of openai-harmony. Malformed input is read as well as possible; no text is lost.`,
		setup: harmonyLines(harmony.ParseJSON),
	}
}

// harmonyLines runs convert on each line; what it refuses becomes an answer, not the end.
func harmonyLines(convert func(*tokenizer.Tokenizer, []byte) ([]byte, error)) func(*flag.FlagSet) func(context.Context, *env, []string) error {
	return func(*flag.FlagSet) func(context.Context, *env, []string) error {
		return func(ctx context.Context, env *env, args []string) error {
			if err := noArgs(args); err != nil {
				return err
			}
			tok, err := o200k.Load()
			if err != nil {
				return err
			}
			return eachLine(ctx, env, func(line []byte) (any, error) {
				out, err := convert(tok, line)
				if err != nil {
					return map[string]string{"error": err.Error()}, nil
				}
				return json.RawMessage(out), nil
			})
		}
	}
}

package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"

	"gossamer/runtime/playback"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

func playbackCommand() command {
	return command{
		name:  "playback",
		args:  "check FILE",
		short: "check a file of replies that are played in place of a model's",
		long: `Prints for each play of the FILE what becomes of its reply: the tokens, why it ends, and its messages with channel, recipient,
content type and text. No conversation is needed: {tool} is the first function that the play asks for, the other values are their names.
A file that is wrong is refused with the place where it is.

docs/playback.md describes the file. gossamer chat --playback FILE talks with it.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			return func(ctx context.Context, env *env, args []string) error {
				if len(args) != 2 || args[0] != "check" {
					return usagef("want check and a FILE")
				}
				tok, err := o200k.Load()
				if err != nil {
					return err
				}
				m, err := loadPlayback(ctx, env, args[1], tok, 0)
				if err != nil {
					return err
				}
				plays, err := m.Check()
				if err != nil {
					return err
				}
				for _, p := range plays {
					printPlay(env.stdout, &p)
				}
				return nil
			}
		},
	}
}

// loadPlayback reads a file of plays; window is the context in tokens, 0: the usual one.
func loadPlayback(ctx context.Context, env *env, name string, tok *tokenizer.Tokenizer, window int) (*playback.Model, error) {
	data, err := readNamed(ctx, env, name)
	if err != nil {
		return nil, err
	}
	m, err := playback.Load(data, tok, playback.Options{Context: window})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

func printPlay(w *output, p *playback.Checked) {
	fmt.Fprintf(w, "%q: %d tokens", p.Name, p.Tokens)
	if p.Pauses > 0 {
		fmt.Fprintf(w, ", pauses of %v", p.Pauses)
	}
	if p.Fails == "" {
		fmt.Fprintf(w, ", ends with %s", p.Finish)
	} else {
		fmt.Fprintf(w, ", fails: %s", p.Fails)
	}
	if p.Unplayed > 0 {
		fmt.Fprintf(w, ", %d tokens behind its end are never played", p.Unplayed)
	}
	fmt.Fprintln(w)
	for _, m := range p.Messages {
		fmt.Fprintf(w, "  %s", cmp.Or(m.Channel, "no channel"))
		if m.Recipient != "" {
			fmt.Fprintf(w, " to=%s", m.Recipient)
		}
		if m.ContentType != "" {
			fmt.Fprintf(w, " %s", m.ContentType)
		}
		fmt.Fprintf(w, ": %q\n", m.Text())
	}
}

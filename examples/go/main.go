// Command go is a conversation with a model that runs in this program.
package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
	"gossamer/runtime/nano"
	"gossamer/runtime/sample"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C ends a reply
	defer stop()
	model := "nano"
	if len(os.Args) > 1 {
		model = os.Args[1]
	}
	if err := talk(ctx, os.Stdout, model, "What is 17 + 25?", "And 42 - 8?"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// talk asks questions, one after the other, and writes the answers.
func talk(ctx context.Context, w io.Writer, model string, questions ...string) error {
	builtIn, err := nano.FS()
	if err != nil {
		return err
	}
	e, err := gossamer.Open(ctx, model, gossamer.Options{Embedded: map[string]fs.FS{"nano": builtIn}})
	if err != nil {
		return err
	}
	defer e.Close()

	conversation := e.Conversation(chat.Request{
		Effort: chat.Low, MaxTokens: 400,
		Sampling: &sample.Params{}, // the likeliest token each time; leave it out for what OpenAI recommends
	})
	for _, question := range questions {
		fmt.Fprintf(w, "> %s\n", question)
		for event, err := range conversation.Say(ctx, question) {
			if err != nil {
				return err
			}
			switch event := event.(type) {
			case chat.ContentDelta:
				fmt.Fprint(w, event.Text)
			case chat.Done:
				fmt.Fprintf(w, "\n(%d tokens, %d of the prompt were in memory)\n", event.Usage.CompletionTokens, event.Usage.CachedTokens)
			}
		}
	}
	return nil
}

// Package runtime runs OpenAI's gpt-oss models: on a GPU through WebGPU, or in plain Go.
//
// # Terms
//
//   - Text is UTF-8. A token is an id of the model's vocabulary, an int32; the bytes of a token need not be whole characters.
//     Special tokens are markers, such as <|start|>, and have no bytes: no text can contain one.
//   - A position counts the tokens of a text from 0. An index counts anything else.
//   - The context is the number of positions that prompt and reply may take together, in tokens.
//   - A sequence is one text in memory: the keys and values of its tokens, for every layer.
//   - To prefill is to compute the tokens of a prompt, many at a time; to decode is to generate the reply, token by token. Rates are
//     in tokens per second.
//   - A prefix of a prompt that a sequence already holds is cached: it is not computed again.
//   - An expert is one of the feed-forward networks of a layer, of which each token uses a few.
//   - A message has a role, a turn is what the assistant writes in answer to one message of the user, and a reply is what one
//     request yields; see package chat.
//   - Sizes are in bytes; MiB and GiB are powers of two.
//
// # Use
//
// [Open] loads a model, [Engine.Chat] answers requests, [Engine.Close] frees everything:
//
//	e, err := runtime.Open(ctx, "gpt-oss-20b", runtime.Options{})
//	if err != nil {
//		return err
//	}
//	defer e.Close()
//	request := chat.Request{Messages: []chat.Message{{Role: chat.User, Content: "Why is the sky blue?"}}}
//	for event, err := range e.Chat(ctx, request) {
//		if err != nil {
//			return err
//		}
//		switch event := event.(type) {
//		case chat.ReasoningDelta:
//		case chat.ContentDelta:
//			fmt.Print(event.Text)
//		}
//	}
//
// Programs that also need the standard library's package of this name import this one as gossamer. Cancelling ctx ends a reply,
// as does leaving the loop. Several goroutines may chat at once; [Options.MaxSequences] bounds how many are served at a time.
//
// ARCHITECTURE.md shows how the packages below fit together, RATIONALE.md says why.
package runtime

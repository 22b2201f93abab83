// Package harmony implements the format that gpt-oss was trained on: it turns a conversation into tokens, and the tokens that the
// model generates into messages.
//
// A message is <|start|>, a header, <|message|>, the content, and <|end|>, <|call|> or <|return|>. The markers are token ids,
// never text: [Render] encodes whatever users, tools and files say as ordinary text, and [Parser] finds markers by their ids.
// So no text can contain a marker: one that is spelled out is encoded as ordinary text.
//
//	messages := []harmony.Message{
//		{Header: harmony.Header{Author: harmony.Author{Role: harmony.System}}, Content: []harmony.Content{harmony.DefaultSystem(harmony.Medium, "2025-06-28")}},
//		harmony.NewText(harmony.Header{Author: harmony.Author{Role: harmony.User}}, "What is 2 + 2?"),
//	}
//	prompt, err := harmony.Render(ctx, tok, messages, harmony.Options{})
//	...
//	p := harmony.NewParser(tok, harmony.ParserOptions{})
//	for token := range generated {
//		for _, e := range p.Push(token) { ... }
//	}
//	for _, e := range p.Close() { ... }
//
// The format is described in openai/harmony docs/format.md; where that and OpenAI's crate differ, the crate (version 0.0.8) is
// followed. The package knows nothing of any API: the chat package maps requests to conversations.
package harmony

package chat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/chat"
	"gossamer/runtime/harmony"
	"gossamer/runtime/openai"
	"gossamer/runtime/tokenizer"
)

// anything makes sequences of tokens that a model might write, most of them broken: whole messages, parts of headers, markers and
// text in any order. Some texts have words of their own, of which it is known where they must arrive.
type anything struct {
	rnd      *rand.Rand
	parts    [][]int32
	encoded  map[string][]int32 // what was encoded before
	tokens   []int32
	words    int
	content  []string // words that must be shown to the user
	thoughts []string // words that must be reasoning
	said     []string // words that must be content or reasoning
	called   []string // words that must be in arguments
}

// parts returns what sequences are made of.
func parts() [][]int32 {
	parts := [][]int32{{tokenizer.StartOfText}, {200013}, {-1}, {1 << 30}}
	for _, text := range []string{
		"<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|start|>assistant", "<|start|>user<|message|>",
		"<|end|><|start|>assistant<|channel|>", "<|channel|>final<|message|>", "<|channel|>analysis<|message|>", "<|channel|>commentary<|message|>",
		"<|channel|>notes<|message|>", "<|channel|>commentary?commentary?", "<|channel|>final to=functions.list<|message|>", "<|message|>",
		"<|start|>functions.list to=assistant<|channel|>commentary<|message|>", "<|call|>", "<|return|>", "<|endoftext|>",
		"assistant", "user", "tool", "analysis", "commentary", "final", "ana", "commentary?", "??", ".", " ", "\n", "\n\n", "json", " code", "response",
		" to=", " to=functions.list", " to=functions.list()", ` to="functions.list"`, " to=functions:list", " to=functions.get-weather", " to=$lookup",
		" to=functions.", " to=functions", " to=functions.naïve", " to=python", " to=browser.search", " to=all", " to=functions." + strings.Repeat("long", 40),
		"functions.list", "list", "{", "}", "[", `"`, `{"a":1}`, `{"a":`, `[{"a":1}]`, "null", "Here is the file.", "So", " it is", "42", "日本", "🎉", "é", "\u200b", "#", "END",
	} {
		parts = append(parts, chat.Encode(text))
	}
	for id := range int32(256) { // single bytes, most of which are no characters
		if id%16 == 0 {
			parts = append(parts, []int32{id})
		}
	}
	return parts
}

func newAnything(parts [][]int32, encoded map[string][]int32, seed uint64) *anything {
	a := &anything{rnd: rand.New(rand.NewPCG(7, seed)), parts: parts, encoded: encoded}
	for range 1 + a.rnd.IntN(12) {
		switch a.rnd.IntN(8) {
		case 0:
			a.message()
		case 1:
			a.headless()
		default:
			a.add(a.parts[a.rnd.IntN(len(a.parts))])
		}
	}
	if a.rnd.IntN(2) == 0 {
		a.add([]int32{[]int32{tokenizer.Return, tokenizer.Call, tokenizer.End}[a.rnd.IntN(3)]})
	}
	return a
}

// write adds text with markers.
func (a *anything) write(text string) {
	if a.encoded[text] == nil {
		a.encoded[text] = chat.Encode(text)
	}
	a.add(a.encoded[text])
}

func (a *anything) add(tokens []int32) { a.tokens = append(a.tokens, tokens...) }

func (a *anything) word(list *[]string) string {
	a.words++
	w := fmt.Sprintf("Zq%dx", a.words)
	if !a.stopped() {
		*list = append(*list, w)
	}
	return w
}

// stopped reports whether an engine would have stopped before here.
func (a *anything) stopped() bool {
	return slices.ContainsFunc(a.tokens, func(id int32) bool {
		return id == tokenizer.Return || id == tokenizer.Call || id == tokenizer.EndOfText
	})
}

// message adds a whole message, as the model was trained to write it.
func (a *anything) message() {
	end := []string{"<|end|>", "<|end|>", "<|start|>assistant", ""}[a.rnd.IntN(4)]
	switch a.rnd.IntN(5) {
	case 0:
		a.write("<|start|>assistant<|channel|>analysis<|message|>" + a.word(&a.thoughts) + " is it." + end)
	case 1:
		a.write("<|start|>assistant<|channel|>commentary<|message|>" + a.word(&a.content) + " look." + end)
	case 2:
		a.write("<|start|>assistant<|channel|>commentary to=functions.list <|constrain|>json<|message|>{\"w\":\"" + a.word(&a.called) + "\"}<|end|>")
	case 3:
		a.write("<|start|>assistant<|channel|>final to=functions.list<|message|>" + a.word(&a.content) + " is prose.<|end|>")
	default:
		a.write("<|start|>assistant<|channel|>final<|message|>" + a.word(&a.content) + " it is." + end)
	}
}

// headless adds a text without a header. If a whole message follows, it must be reasoning.
func (a *anything) headless() {
	a.write("<|end|>")
	if a.rnd.IntN(2) == 0 {
		a.write(a.word(&a.said) + " aloud.<|end|>")
		return
	}
	a.write(a.word(&a.thoughts) + " aloud.<|end|>")
	a.write("<|start|>assistant<|channel|>analysis<|message|>" + a.word(&a.thoughts) + "<|end|>")
}

// expect checks that the words have arrived where they belong.
func (a *anything) expect(m *chat.Message) error {
	var arguments strings.Builder
	for _, call := range m.ToolCalls {
		arguments.WriteString(call.Arguments + "\n")
	}
	for _, e := range []struct {
		words      []string
		where, out string
	}{{a.content, m.Content, m.Reasoning}, {a.thoughts, m.Reasoning, m.Content}, {a.said, m.Content + m.Reasoning, ""}, {a.called, arguments.String(), m.Content}} {
		for _, w := range e.words {
			if strings.Count(e.where, w) != 1 || strings.Contains(e.out, w) {
				return fmt.Errorf("the word %s is not where it belongs in %+v", w, m)
			}
		}
	}
	return nil
}

// whole is the reply by its messages, read at once.
func whole(tokens []int32, tools []string) chat.Message {
	p := harmony.NewParser(chat.Vocabulary(), harmony.ParserOptions{Tools: tools})
	for _, id := range tokens {
		p.Push(id)
		if id == tokenizer.Return || id == tokenizer.Call || id == tokenizer.EndOfText {
			break
		}
	}
	p.Close()
	var content, reasoning []string
	m := chat.Message{Role: chat.Assistant}
	for _, message := range p.Messages() {
		text := message.Text()
		switch message.Kind() {
		case harmony.ToolCall:
			m.ToolCalls = append(m.ToolCalls, chat.ToolCall{Arguments: harmony.Arguments(text)})
		case harmony.Reasoning, harmony.Other:
			if text != "" {
				reasoning = append(reasoning, text)
			}
		default:
			if message.Kind() == harmony.Preamble {
				text = strings.TrimLeftFunc(text, unicode.IsSpace)
			}
			if strings.TrimSpace(text) != "" {
				content = append(content, text)
			}
		}
	}
	m.Content, m.Reasoning = strings.Join(content, "\n\n"), strings.Join(reasoning, "\n\n")
	return m
}

// Whatever the model writes becomes a reply that holds all of its text, where it belongs; the parts that are streamed are the whole
// reply; and the conversation goes on with it: in Go, and over the wire, as it was sent whole or in parts.
func TestAnyReply(t *testing.T) {
	replies := uint64(100_000)
	if testing.Short() {
		replies /= 50
	}
	const shards = 4
	parts := parts()
	for shard := range uint64(shards) {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			c, encoded := chat.NewTestCompleter(t), map[string][]int32{}
			for i := shard; i < replies; i += shards {
				a := newAnything(parts, encoded, i)
				if err := checkReply(t, c, a, i); err != nil {
					t.Fatalf("reply %d, %q: %v", i, chat.Vocabulary().Decode(a.tokens), err)
				}
			}
		})
	}
}

// However the parts of headers are put together, none of them is shown to the user, and nothing that is no sign.
func TestNoHeaderIsShown(t *testing.T) {
	c := chat.NewTestCompleter(t)
	var parts [][]int32
	for _, text := range []string{
		"<|start|>", "<|end|>", "<|channel|>", "<|constrain|>", "<|start|>assistant", "<|end|><|start|>assistant<|channel|>", "assistant", "user", "tool",
		"analysis", "commentary", "final", "commentary?", "??", ".", " ", "\n", "json", " code", " to=", " to=functions.list", " to=functions.list()",
		` to="functions.list"`, " to=$lookup", " to=functions", " to=python", " to=all", "functions.list", " commentary", " analysis", " final", " json",
	} {
		parts = append(parts, chat.Encode(text))
	}
	request := chat.Request{Messages: []chat.Message{{Role: chat.User}}, Tools: []chat.Function{{Name: "list"}}}
	for i := range uint64(20_000) {
		rnd := rand.New(rand.NewPCG(3, i))
		var tokens []int32
		for range 1 + rnd.IntN(6) {
			tokens = append(tokens, parts[rnd.IntN(len(parts))]...)
		}
		if i%2 == 0 {
			tokens = append(tokens, tokenizer.End)
		}
		reply, err := chat.Collect(c.Play(tokens)(t.Context(), request))
		if err != nil {
			t.Fatal(err)
		}
		if content := reply.Message.Content; strings.Trim(content, "?. \n") != "" {
			t.Errorf("%q: %q is shown", chat.Vocabulary().Decode(tokens), content)
		}
	}
}

func checkReply(t *testing.T, c *chat.Completer, a *anything, i uint64) error {
	tools := []chat.Function{{Name: "list"}, {Name: "get-weather"}}
	request := chat.Request{Tools: tools, Logprobs: i%16 == 1}
	if i%4 == 0 {
		request.Stop = []string{[]string{"#", "\n", "END", " it"}[i/4%4], "\n\n"}
	}
	writes := a.tokens
	v := chat.NewConversation(func(ctx context.Context, r chat.Request) iter.Seq2[chat.Event, error] { return c.Play(writes)(ctx, r) }, request)
	var events []chat.Event
	reply, err := chat.Collect(func(yield func(chat.Event, error) bool) {
		for e, err := range v.Say(t.Context(), "x") {
			events = append(events, e)
			if !yield(e, err) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if err := chat.CheckItems(events); err != nil {
		return err
	}
	if request.Stop == nil {
		if err := a.expect(&reply.Message); err != nil {
			return err
		}
		if reply.Message.Content == "" && len(reply.Logprobs) > 0 {
			return fmt.Errorf("%d log probabilities of %q", len(reply.Logprobs), reply.Message.Content)
		}
		want, got := whole(a.tokens, []string{"functions.list", "functions.get_weather"}), reply.Message
		if got.Content != want.Content || got.Reasoning != want.Reasoning || len(got.ToolCalls) != len(want.ToolCalls) {
			return fmt.Errorf("in parts %+v, whole %+v", got, want)
		}
		for j, call := range got.ToolCalls {
			if w := want.ToolCalls[j].Arguments; reply.Reason == chat.FinishToolCalls && strings.TrimSpace(call.Arguments) != strings.TrimSpace(w) {
				return fmt.Errorf("arguments %q, whole %q", call.Arguments, w)
			}
		}
	} else if j := slices.IndexFunc(request.Stop, func(s string) bool { return strings.Contains(reply.Message.Content, s) }); j >= 0 {
		return fmt.Errorf("%q is in %q", request.Stop[j], reply.Message.Content)
	}

	// On in Go.
	writes = []int32{tokenizer.Return}
	answers := []chat.Message{{Role: chat.User, Content: "on"}}
	if reply.Reason == chat.FinishToolCalls {
		answers = answers[:0]
		for _, call := range reply.Message.ToolCalls {
			answers = append(answers, chat.Message{Role: chat.Tool, ToolCallID: call.ID, Content: "done"})
		}
	}
	if _, err := chat.Collect(v.Send(t.Context(), answers...)); err != nil {
		return fmt.Errorf("the conversation ends: %v", err)
	}
	if i%500 == 0 && len(v.Request.Messages) > 0 { // with the tokens, which take their time
		if _, err := c.Prompt(t.Context(), v.Request); err != nil {
			return err
		}
	}
	if err := checkWire(c, reply, events); err != nil {
		return err
	}
	return checkMessages(c, reply, events, tools[i%2:])
}

// checkWire sends a reply back over the wire.
func checkWire(c *chat.Completer, reply *chat.Response, events []chat.Event) error {
	options := openai.Options{ID: "1", Created: time.Unix(0, 0)}
	completion, err := openai.NewCompletion([]*chat.Response{reply}, options)
	if err != nil {
		return err
	}
	message := completion.Choices[0].Message
	joined := openai.Message{Role: message.Role}
	for chunk, err := range openai.Stream(func(yield func(chat.ChoiceEvent, error) bool) {
		for _, e := range events {
			if !yield(chat.ChoiceEvent{Event: e}, nil) {
				return
			}
		}
	}, options) {
		if err != nil {
			return err
		}
		delta := chunk.Choices[0].Delta
		joined.Reasoning += delta.Reasoning
		if delta.Content != nil && (*delta.Content != "" || len(message.ToolCalls) == 0) {
			if joined.Content == nil {
				joined.Content = new("")
			}
			*joined.Content += *delta.Content
		}
		for _, call := range delta.ToolCalls {
			if call.ID != "" {
				joined.ToolCalls = append(joined.ToolCalls, openai.ToolCall{ID: call.ID, Type: call.Type, Function: openai.Function{Name: call.Function.Name}})
			}
			joined.ToolCalls[call.Index].Function.Arguments += call.Function.Arguments
		}
	}
	if diff := cmp.Diff(message, joined); diff != "" {
		return fmt.Errorf("whole and streamed differ: %s", diff)
	}
	messages := []any{map[string]string{"role": "user", "content": "x"}, message}
	for _, call := range message.ToolCalls {
		messages = append(messages, map[string]string{"role": "tool", "tool_call_id": call.ID, "content": "done"})
	}
	body, err := json.Marshal(map[string]any{"messages": append(messages, map[string]string{"role": "user", "content": "on"})})
	if err != nil {
		return err
	}
	r, err := openai.DecodeStrict(body)
	if err != nil {
		return fmt.Errorf("%s: %v", body, err)
	}
	if diff := cmp.Diff(reply.Message, r.Chat.Messages[1]); diff != "" {
		return fmt.Errorf("%s comes back otherwise: %s", body, diff)
	}
	return c.Check(r.Chat)
}

func FuzzReply(f *testing.F) {
	parts := parts()
	for i := range parts { // each part in a header, between messages, in content and in arguments
		b := byte(i)
		f.Add(b, []byte{9, b, 6, b, 5, b, 11, b, 5, 15, b, 5, b, 17, b, 5, 7, 39, b, 6, b, 16})
	}
	c := chat.NewTestCompleter(f)
	f.Fuzz(func(t *testing.T, stops byte, data []byte) {
		a := &anything{}
		for _, b := range data {
			a.add(parts[int(b)%len(parts)])
		}
		if err := checkReply(t, c, a, uint64(stops)); err != nil {
			t.Fatalf("%q: %v", chat.Vocabulary().Decode(a.tokens), err)
		}
	})
}

package playback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

// recordedReplies plays a file for the prompts in turn.
func recordedReplies(t *testing.T, tok *tokenizer.Tokenizer, file []byte, prompts [][]int32) (replies [][]int32) {
	t.Helper()
	m, err := Load(file, tok, Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, file)
	}
	for i, prompt := range prompts {
		r := m.begin(prompt, nil)
		if r.err != nil {
			t.Fatalf("prompt %d: %v\n%s", i, r.err, file)
		}
		var reply []int32
		for _, o := range r.ops {
			reply = append(reply, o.id)
		}
		replies = append(replies, reply)
	}
	return replies
}

// TestRecorder: the replies of a file are those that were recorded, whatever is in them, also if something was asked for several times, and
// in whatever order the conversations come again.
func TestRecorder(t *testing.T) {
	tok, err := o200k.Load()
	if err != nil {
		t.Fatal(err)
	}
	render := func(messages ...harmony.Message) []int32 {
		prompt, err := harmony.Render(t.Context(), tok, messages, harmony.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return prompt
	}
	text := func(role harmony.Role, s string) harmony.Message {
		return harmony.NewText(harmony.Header{Author: harmony.Author{Role: role}}, s)
	}
	const functions = "# Instructions\n\nBe brief.\n\n# Tools\n\n## functions\n\nnamespace functions {\n\ntype %s = () => any;\n\n} // namespace functions"
	long := strings.Repeat("a (long) text. ", 200)
	prompts := [][]int32{
		render(text(harmony.User, "Hi")),
		render(text(harmony.User, "hi")),
		render(text(harmony.User, "Hi there")),
		render(text(harmony.User, long)),
		render(text(harmony.User, "")),
		render(text(harmony.Developer, "Be kind."), text(harmony.User, "Hi")),
		render(text(harmony.Developer, fmt.Sprintf(functions, "get_weather")), text(harmony.User, "Hi")),
		render(text(harmony.Developer, long), text(harmony.User, "Hi")),
		render(text(harmony.User, "Hi"), text(harmony.Assistant, "Ho"), text(harmony.User, "Hi")),
		render(),
	}
	written := func(s string) []int32 { return append(tok.Encode(s), tokenizer.Return) }
	random := rand.New(rand.NewPCG(1, 2))
	anything := func() (reply []int32) {
		for range 1 + random.IntN(40) {
			reply = append(reply, random.Int32N(int32(tok.Vocab())))
		}
		return slices.DeleteFunc(reply, func(id int32) bool {
			_, special := tok.SpecialText(id)
			return !special && tok.Bytes(id) == nil
		})
	}
	r := NewRecorder(tok)
	if _, err := Load(r.File(), tok, Options{}); err != nil {
		t.Errorf("a file without plays: %v", err)
	}
	replies := [][]int32{written("You said {user}, {json:x} and <|start|>."), written("A \"quote\"\n<b>&"), {tokenizer.Return}}
	var asked, want [][]int32
	for n := range 4 {
		for i, prompt := range prompts {
			if n > 0 && i%2 == 0 {
				continue
			}
			reply := anything()
			if len(replies) > 0 {
				reply, replies = replies[0], replies[1:]
			}
			if len(reply) == 0 {
				continue
			}
			file, err := r.Add(prompt, reply)
			if err != nil {
				t.Fatal(err)
			}
			asked, want = append(asked, prompt), append(want, reply)
			if got := recordedReplies(t, tok, file, asked); !slices.EqualFunc(got, want, slices.Equal[[]int32]) {
				t.Fatalf("after %d replies: got %v, want %v\n%s", len(want), got, want, file)
			}
		}
	}
	// In another order each conversation still gets its own replies in their order.
	byPrompt := map[string][][]int32{}
	for i, prompt := range asked {
		byPrompt[fmt.Sprint(prompt)] = append(byPrompt[fmt.Sprint(prompt)], want[i])
	}
	random.Shuffle(len(asked), func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
	for i, reply := range recordedReplies(t, tok, r.File(), asked) {
		key := fmt.Sprint(asked[i])
		if !slices.Equal(reply, byPrompt[key][0]) {
			t.Errorf("in another order: got %v, want %v", reply, byPrompt[key][0])
		}
		byPrompt[key] = byPrompt[key][1:]
	}
	if !strings.Contains(string(r.File()), `{"text":"A \"quote\"\n<b>&<|return|>"}`) {
		t.Errorf("text is not for people to read:\n%s", r.File())
	}

	for range maxPlays {
		if _, err = r.Add(prompts[0], written("Yes")); err != nil {
			break
		}
	}
	if !errors.Is(err, errFull) {
		t.Errorf("%v, want that the file is full", err)
	}
	if _, err := Load(r.File(), tok, Options{}); err != nil {
		t.Errorf("a full file: %v", err)
	}
}

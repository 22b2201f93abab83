package playback_test

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/chat"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/tokenizertest"
)

// set is a bit set of ids.
func set(ids ...int32) []uint32 {
	s := make([]uint32, (tokenizertest.Vocabulary().Vocab()+31)/32)
	for _, id := range ids {
		s[id/32] |= 1 << (id % 32)
	}
	return s
}

// without allows all but some ids.
func without(ids ...int32) []uint32 {
	s := set()
	for i := range s {
		s[i] = math.MaxUint32
	}
	for _, id := range ids {
		s[id/32] &^= 1 << (id % 32)
	}
	return s
}

// content is what a reply says after its last <|message|>.
func content(reply []int32) string {
	for i, id := range slices.Backward(reply) {
		if id == tokenizer.Message {
			return string(tokenizertest.Vocabulary().Decode(reply[i+1:]))
		}
	}
	return ""
}

// constrained allows after <|message|> what can become an object {"city":"…","n":…}, a byte a token, and <|call|> behind it.
func constrained(reply []int32) []uint32 {
	if !slices.Contains(reply, tokenizer.Message) {
		return nil
	}
	text := content(reply)
	if regexp.MustCompile(`^\{"city":"[a-z]{2,5}","n":[0-9]{1,3}\}$`).MatchString(text) {
		return set(tokenizer.Call)
	}
	var ids []int32
	const example = `{"city":"`
	for _, b := range []byte(`{}[]":,0123456789abcdefghijklmnopqrstuvwxyz `) {
		next := text + string(b)
		if strings.HasPrefix(example, next) ||
			regexp.MustCompile(`^\{"city":"([a-z]{0,5}|[a-z]{2,5}("(,("(n("(:([0-9]{1,3}\}?)?)?)?)?)?)?))$`).MatchString(next) {
			ids = append(ids, tokenizertest.Encode(string(b))[0])
		}
	}
	return set(ids...)
}

func TestForbiddenTokens(t *testing.T) {
	const header = "<|channel|>commentary to=functions.f <|constrain|>json<|message|>"
	call := text(header + `{"town":"Bern"}<|call|>`)
	fresh := text("<|start|>assistant<|channel|>final<|message|>done")
	masked := func(mask string, reply ...object) object {
		p := play("it", nil, reply...)
		p["mask"] = mask
		return p
	}
	forbid := func(text string) func([]int32) []uint32 {
		return func([]int32) []uint32 { return without(tokenizertest.Encode(text)...) }
	}
	for _, tt := range []struct {
		name    string
		play    object
		allowed func(reply []int32) []uint32
		want    string // a regular expression of the reply
		failure string
	}{
		{"Error", play("it", nil, call), constrained, regexp.QuoteMeta(header) + `$`, `play "it": token 11 of the reply, "{\"" (id`},
		{"Close", masked("close", call), constrained, regexp.QuoteMeta(header+`{"city":"aa","n":0}`) + "$", ""},
		{"Free", masked("free", call), constrained, regexp.QuoteMeta(header) + `\{"city":"[a-z]{2,5}","n":\d{1,3}\}$`, ""},
		{"CloseAndMore", masked("close", text(header+`{"town":"Bern"}<|end|>`), fresh), forbid("town"), `\{""\:0\}<\|end\|><\|start\|>assistant<\|channel\|>final<\|message\|>done$`, ""},
		{"FreeGoesOn", masked("free", text("<|channel|>final<|message|>one two three")), forbid(" two"), `one.* three$`, ""},
		{"CloseSegment", play("it", nil, text(header), object{"close": true}), constrained, regexp.QuoteMeta(header+`{"city":"aa","n":0}`) + "$", ""},
		{"EndIsForbidden", play("it", nil, text("<|channel|>final<|message|>x")), forbid("<|return|>"), `x$`, `token 4 of the reply, "<|return|>"`},
		{"EndIsForbiddenClose", masked("close", text("<|channel|>commentary to=functions.f<|message|>{")), forbid("<|return|>"), regexp.QuoteMeta("<|message|>{}") + "$", ""},
		{"Nothing", masked("close", call), func([]int32) []uint32 { return set() }, "^$", "no token"},
		{"NothingFree", masked("free", call), func([]int32) []uint32 { return set() }, "^$", "no token"},
		{"NeverEnds", masked("close", call), func([]int32) []uint32 { return set(tokenizertest.Encode("a")...) }, "^a{512}$", "512 tokens have not ended"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := load(t, nil, tt.play)
			r := newRow(t, m, prompt("x"))
			r.allowed = tt.allowed
			got, err := r.finish(t.Context(), m)
			if (err != nil) != (tt.failure != "") || err != nil && !strings.Contains(err.Error(), tt.failure) {
				t.Errorf("error %v, want %q", err, tt.failure)
			}
			if !regexp.MustCompile(tt.want).MatchString(got) {
				t.Errorf("reply %q, want %s", got, tt.want)
			}
			if tt.name == "Nothing" && !errors.Is(err, sample.ErrNoToken) {
				t.Errorf("%v is not sample.ErrNoToken", err)
			}
		})
	}
}

// Whatever JSON is cut off at the end of a word, close makes it whole.
func TestCloseMakesJSONWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		var value func(depth int)
		value = func(depth int) {
			switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
			case kind == 0 && depth < 4:
				b.WriteString("[")
				for i := range rapid.IntRange(0, 3).Draw(t, "n") {
					b.WriteString([]string{"", ","}[min(i, 1)])
					value(depth + 1)
				}
				b.WriteString("]")
			case kind < 3 && depth < 4:
				b.WriteString("{")
				for i := range rapid.IntRange(0, 3).Draw(t, "n") {
					fmt.Fprintf(&b, `%s"k%d" : `, []string{"", " ,"}[min(i, 1)], i)
					value(depth + 1)
				}
				b.WriteString("}")
			case kind == 3:
				b.WriteString("7")
			default:
				b.WriteString(rapid.SampledFrom([]string{`"a"`, `"\"\\{"`, `""`, `"é[]"`}).Draw(t, "string"))
			}
		}
		b.WriteString(`{"a":`)
		value(0)
		b.WriteString("}")
		whole := b.String()
		cut := whole[:rapid.IntRange(0, len(whole)).Draw(t, "cut")]
		for !strings.HasPrefix(whole, cut) || strings.ToValidUTF8(cut, "") != cut {
			cut = cut[:len(cut)-1]
		}
		m := loadRapid(t, play("it", nil, text("<|channel|>final<|message|>"), text(cut), object{"close": true}))
		r := newRow(t, m, prompt("x"))
		got, err := r.finish(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if !valid(content(tokenizertest.Encode(got))) {
			t.Fatalf("%q becomes %q", cut, got)
		}
	})
}

func TestLogprobs(t *testing.T) {
	c := completer(t, load(t, object{"seed": 3}, play("it", nil,
		text("<|channel|>final<|message|>"),
		object{"logprobs": []object{{"p": 0.7, "alternatives": object{" Lyon": 0.2, "<|return|>": 0.05}}, {"alternatives": object{" is": 0.1}}, {"p": 0.1, "alternatives": object{" not": 0.6}}}},
		text("Paris"), text(" is"), text(" big"), text(" now"))))
	r := ask("x")
	r.Logprobs, r.TopLogprobs = true, 3
	first, err := chat.Collect(c.Stream(t.Context(), r))
	if err != nil {
		t.Fatal(err)
	}
	again, err := chat.Collect(c.Stream(t.Context(), r))
	if err != nil {
		t.Fatal(err)
	}
	type token = struct {
		text string
		p    float64
	}
	want := [][]token{
		{{"Paris", 0.7}, {"Paris", 0.7}, {" Lyon", 0.2}, {"<|return|>", 0.05}},
		{{" is", 0.9}, {" is", 0.9}},
		{{" big", 0.1}, {" not", 0.6}},
		{{" now", 0.9}, {" now", 0.9}},
	}
	if len(first.Logprobs) != len(want) {
		t.Fatalf("%d log probabilities", len(first.Logprobs))
	}
	for i, got := range first.Logprobs {
		tokens := []token{{string(got.Bytes), math.Exp(float64(got.LogProb))}}
		sum := 0.0
		for j, top := range got.Top {
			p := math.Exp(float64(top.LogProb))
			if sum += p; p > math.Exp(float64(got.Top[max(j-1, 0)].LogProb)) || again.Logprobs[i].Top[j].ID != top.ID {
				t.Errorf("token %d: alternatives %+v, again %+v", i, got.Top, again.Logprobs[i].Top)
			}
			tokens = append(tokens, token{string(top.Bytes), p})
		}
		if len(got.Top) != 3 || sum > 1+1e-6 {
			t.Errorf("token %d: %d alternatives of %v together", i, len(got.Top), sum)
		}
		for j, w := range want[i] {
			if g := tokens[j]; g.text != w.text || math.Abs(g.p-w.p) > 1e-6 {
				t.Errorf("token %d: %q with %v, want %q with %v", i, g.text, g.p, w.text, w.p)
			}
		}
	}
}

// The engine's own mask, which allows text and the markers of messages, leaves plays as they are, but for what no reply may hold.
func TestMaskOfReplies(t *testing.T) {
	c := completer(t, load(t, nil, play("it", nil, text("<|startoftext|>x"))))
	if err := fails(t, c, ask("x")); !strings.Contains(err.Error(), "<|startoftext|>") {
		t.Error(err)
	}
}

package chat

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gossamer/runtime/engine"
	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer/tokenizertest"
)

// pieces divides a text at arbitrary places between characters.
func pieces(t *rapid.T, text string) []string {
	var out []string
	runes := []rune(text)
	for len(runes) > 0 {
		n := rapid.IntRange(1, len(runes)).Draw(t, "piece")
		out = append(out, string(runes[:n]))
		runes = runes[n:]
	}
	return out
}

func TestStopper(t *testing.T) {
	for _, tt := range []struct {
		name  string
		stops []string
		text  []string
		want  string
		done  bool
	}{
		{"None", nil, []string{"ab", "c"}, "abc", false},
		{"InOnePiece", []string{"b"}, []string{"abc"}, "a", true},
		{"AcrossPieces", []string{"stop"}, []string{"a s", "t", "op b"}, "a ", true},
		{"FalseStart", []string{"stop"}, []string{"sto", "stostop"}, "stosto", true},
		{"NearlyAtTheEnd", []string{"stop"}, []string{"a sto"}, "a sto", false},
		{"AtTheBeginning", []string{"a"}, []string{"abc"}, "", true},
		{"CompletedFirst", []string{"abcd", "bc"}, []string{"abcd"}, "a", true},
		{"LongestOfThose", []string{"bc", "abc"}, []string{"xa", "bc"}, "x", true},
		{"Overlapping", []string{"aab"}, []string{"a", "a", "a", "b"}, "a", true},
		{"Characters", []string{"→ж"}, []string{"жж→", "→", "ж"}, "жж→", true},
	} {
		s := stopper{stops: tt.stops}
		got, done := "", false
		for _, text := range tt.text {
			var out string
			if out, done = s.write(text); done {
				got += out
				break
			}
			got += out
		}
		got += s.flush()
		if got != tt.want || done != tt.done {
			t.Errorf("%s: %q, %v; want %q, %v", tt.name, got, done, tt.want, tt.done)
		}
	}
}

// However the text is divided, what comes out is the text up to the stop string that is completed first.
func TestStopperEmitsUpToTheFirstStop(t *testing.T) {
	letters := rapid.SampledFrom([]rune("aab→ж"))
	rapid.Check(t, func(t *rapid.T) {
		stops := rapid.SliceOfN(rapid.StringOfN(letters, 1, 4, -1), 0, 3).Draw(t, "stops")
		text := rapid.StringOfN(letters, 0, 30, -1).Draw(t, "text")

		want, found := text, false
		for end := range len(text) + 1 {
			for _, stop := range stops {
				if strings.HasSuffix(text[:end], stop) && (!found || end-len(stop) < len(want)) {
					want, found = text[:end-len(stop)], true
				}
			}
			if found {
				break
			}
		}

		s := stopper{stops: stops}
		got, done := "", false
		for _, piece := range pieces(t, text) {
			var out string
			out, done = s.write(piece)
			got += out
			if done {
				break
			}
			if !strings.HasPrefix(want, got) {
				t.Fatalf("%q is out before it is certain", got)
			}
			if held := len(s.held); held > 0 && !slices.ContainsFunc(stops, func(stop string) bool { return strings.HasPrefix(stop, s.held) }) {
				t.Fatalf("%q is held back without need", s.held)
			}
		}
		got += s.flush()
		if got != want || done != found {
			t.Fatalf("%q, %v; want %q, %v", got, done, want, found)
		}
	})
}

// What is passed on piece by piece is what harmony makes of the whole, white space around it aside.
func TestArgumentStream(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, pieces []string) {
		text := strings.Join(pieces, "")
		var a argumentStream
		got := ""
		for _, piece := range pieces {
			got += a.write(piece)
		}
		got += a.flush()
		if want := harmony.Arguments(text); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Fatalf("%q: got %q, want %q", pieces, got, want)
		}
	}
	for _, text := range []string{
		``, ` `, `{}`, ` {"a":1} `, `{"a":"}"}`, `{"a":"\"}"} x`, `[{"a":1}]`, `{"a":{"b":[{}]}}]`, `{"a":1`, `x {"a":1}`, `null`, `"x"`, `{a:1} b`, `{"a":"\\"}}`,
	} {
		check(t, []string{text})
		check(t, strings.Split(text, ""))
	}
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.StringOfN(rapid.SampledFrom([]rune(`{}[]"\:,a1 `)), 0, 20, -1)
		check(t, pieces(t, letters.Draw(t, "text")))
		object := map[string]any{letters.Draw(t, "key"): letters.Draw(t, "value"), "b": map[string]any{"c": []int{1}}}
		data, err := json.Marshal(object)
		if err != nil {
			t.Fatalf("%v", err)
		}
		check(t, pieces(t, string(data)+letters.Draw(t, "after")))
	})
}

// Through tokens, characters and messages: the answer ends before the stop string that is completed first, and everything else is
// as the model wrote it.
func TestStopStringsInTheAnswerOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab 🎉→ж\n.")), 1, 40, -1).Draw(t, "text")
		runes := []rune(text)
		from := rapid.IntRange(0, len(runes)-1).Draw(t, "from")
		stop := string(runes[from:rapid.IntRange(from+1, min(from+4, len(runes))).Draw(t, "to")])
		var reasoning, content strings.Builder
		r := &reader{
			tok:    tokenizertest.Vocabulary(),
			parser: harmony.NewParser(tokenizertest.Vocabulary(), harmony.ParserOptions{}),
			stop:   stopper{stops: []string{stop}},
			send: func(e Event) bool {
				switch e := e.(type) {
				case ReasoningDelta:
					reasoning.WriteString(e.Text)
				case ContentDelta:
					content.WriteString(e.Text)
				}
				return true
			},
		}
		// One token for each byte or so, where text tokens allow it, so that characters are divided.
		tokens := tokenizertest.Encode("<|channel|>analysis<|message|>" + text + "<|end|><|start|>assistant<|channel|>final<|message|>")
		for _, b := range []byte(text) {
			for id := int32(0); ; id++ {
				if bytes := tokenizertest.Vocabulary().Bytes(id); len(bytes) == 1 && bytes[0] == b {
					tokens = append(tokens, id)
					break
				}
			}
		}
		for _, id := range tokens {
			if !r.push(engine.Token{ID: id}) {
				break
			}
		}
		if want, _, _ := strings.Cut(text, stop); content.String() != want || !r.stopped {
			t.Fatalf("answer %q before %q: got %q, stopped %v", text, stop, content.String(), r.stopped)
		}
		if reasoning.String() != text {
			t.Fatalf("reasoning %q, want %q", reasoning.String(), text)
		}
	})
}

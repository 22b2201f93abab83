package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"gossamer/runtime/grammar"
	"gossamer/runtime/sample"
)

// loaded is the vocabulary.
func loaded(t testing.TB) *textVocabulary {
	t.Helper()
	v, err := newTextVocabulary()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestVerdictsOfTokenizations: texts are accepted or rejected alike however they are divided, and no answer of a matcher contradicts
// another one. Documents that begin with ! are wrong.
func TestVerdictsOfTokenizations(t *testing.T) {
	var lines []string
	var want [][]bool
	for _, tt := range []struct {
		grammar   string
		documents []string
	}{
		{`"schema":{"type":"object","properties":{"name":{"type":"string","minLength":2,"maxLength":20},
			"größe":{"type":"number","minimum":-1.5,"maximum":1e3}},"required":["name"],
			"additionalProperties":{"type":"array","items":{"enum":["a","ab",null,1.5]},"minItems":1}}`,
			[]string{`{"name":"Жанна 👩‍🚀\n\u00e9"}`, `{"größe":1,"b":["a"],"name":"xx"}`, `{"name":"xx","größe":-1.5,"further":["ab",null]}`,
				`!{"name":"x"}`, `!{"name":"xx","größe":1001}`,
				`!{"name":"xx","name":"yy"}`, `!{"name":"xx","b":[]}`, `!{"name":"\ud83d"}`, `!{"größe":1,"name":"xx","größe":1}`}},
		{`"schema":{"properties":{"a":{"type":"integer"},"b":true},"required":["a"],"maxProperties":3},"order":"schema"`,
			[]string{`{"a":1,"c":[],"d":1}`, `!{"b":1,"a":1}`, `!{"a":1,"b":1,"c":1,"d":1}`}},
		{`"schema":{"type":"string","pattern":"^[a-z]+(-[0-9]{2,4})*$","format":"hostname"}`, []string{`"some-31-2024"`, `!"some--host"`, `!"Some"`}},
		{`"schema":{"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{"v":{"type":"integer"},"kids":{"type":"array",
			"items":{"$ref":"#/$defs/tree"}}},"required":["v","kids"],"additionalProperties":false}}},"whitespace":"any"`,
			[]string{"{\n  \"v\": 1,\n  \"kids\": [\n    {\"v\":20,\"kids\":[]}]}", `!{"v":1}`, `!{"v":1.0,"kids":[]}`, `!{"v":1,"kids":[{}]}`}},
		{`"schema":{"oneOf":[{"type":"string","format":"date"},{"type":"string","format":"uuid"},{"type":"integer","multipleOf":3}]}`,
			[]string{`"2024-02-28"`, `"123e4567-e89b-12d3-a456-426614174000"`, `123456789`, `!"2024-13-01"`, `!124`}},
		{`"json_object":true,"whitespace":"python"`, []string{`{"a": [1, {"b": "c"}, -1.5e+10, true, false, null]}`, `!{"a":1}`, `![]`, `!{"a": 01}`}},
		{`"regex":"(ab?|[^a\\n]{3})*\\d+"`, []string{"aababxyz12", "äöü7", "!ab", "!xy1"}},
		{`"ebnf":"root ::= sum\nsum ::= product ([+-] product)*\nproduct ::= [0-9]+ | \"(\" sum \")\""`, []string{"1+(22-(3+4))-5", "!1+", "!(1"}},
		{`"schema":{"type":"integer","multipleOf":509}`, []string{`509`, `-5090`, `1527000`, `!508`, `!5093`}},
		{`"choice":["red","redder","reddest of all","<|end|>"]`, []string{"redder", "reddest of all", "<|end|>", "!redd"}},
	} {
		var documents []map[string]string
		var verdicts []bool
		for _, d := range tt.documents {
			text, wrong := strings.CutPrefix(d, "!")
			documents = append(documents, map[string]string{"text": text})
			verdicts = append(verdicts, !wrong)
		}
		list, err := json.Marshal(documents)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf(`{%s,"documents":%s,"tokenization":["canonical","bytes","random:3"],"verify":40}`, tt.grammar, list)
		lines = append(lines, strings.ReplaceAll(line, "\n", " "))
		want = append(want, verdicts)
	}
	got, r := reports(t, strings.Join(lines, "\n"))
	if r.code != exitFailure || len(got) != len(want) {
		t.Errorf("exit status %d, %d of %d reports, %s", r.code, len(got), len(want), r.stderr)
	}
	for i, g := range got {
		var verdicts []bool
		for _, d := range g.Documents {
			verdicts = append(verdicts, d.Accepted)
		}
		if !slices.Equal(verdicts, want[i]) || g.Error != "" || len(g.Differences) > 0 {
			t.Errorf("%s: %v, want %v: %+v", lines[i], verdicts, want[i], g)
		}
	}
}

// TestPartialMasks: a text is judged by what the grammar accepts, also where it has too many places for masks of all tokens.
func TestPartialMasks(t *testing.T) {
	var patterns []string
	for _, c := range "abcdefgh" {
		patterns = append(patterns, fmt.Sprintf(`{"pattern":"%c.{8}"}`, c))
	}
	line := `{"schema":{"type":"string","allOf":[` + strings.Join(patterns, ",") + `]},"documents":[{"text":"\"x abcdefghCurrent \""},{"text":"\"x abcdefgh\""}]}`
	got, r := reports(t, line)
	if len(got) != 1 || len(got[0].Differences) > 0 || len(got[0].Documents) != 2 || !got[0].Documents[0].Accepted || got[0].Documents[1].Accepted {
		t.Errorf("%+v, %s", got, r.stderr)
	}
}

// faulty is a matcher with some other answers.
type faulty struct {
	*grammar.Matcher
	mask      func(m *grammar.Matcher, left int) sample.Mask
	allows    func(m *grammar.Matcher, id int32) bool
	accept    func(m *grammar.Matcher, id int32) bool
	rollback  func(m *grammar.Matcher, n int)
	accepting func(m *grammar.Matcher) bool
	distance  func(m *grammar.Matcher) int
}

func (f *faulty) Mask(left int) sample.Mask { return f.mask(f.Matcher, left) }
func (f *faulty) Allows(id int32) bool      { return f.allows(f.Matcher, id) }
func (f *faulty) Accept(id int32) bool      { return f.accept(f.Matcher, id) }
func (f *faulty) Rollback(n int)            { f.rollback(f.Matcher, n) }
func (f *faulty) Accepting() bool           { return f.accepting(f.Matcher) }
func (f *faulty) Distance() int             { return f.distance(f.Matcher) }

// rightAnswers is a matcher without a fault.
func rightAnswers(g *grammar.Grammar) *faulty {
	type m = *grammar.Matcher
	return &faulty{g.NewMatcher(), m.Mask, m.Allows, m.Accept, m.Rollback, m.Accepting, m.Distance}
}

// TestContradictionsAreFound: each kind of wrong answer is found, by the document's tokens or by what verify compares, and has its status.
func TestContradictionsAreFound(t *testing.T) {
	v := loaded(t)
	g, err := v.grammars.Compile(t.Context(), grammar.Source{JSONSchema: json.RawMessage(smallSchema)}, grammar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const document = `{"a":17,"b":"abc"}`
	tokens := v.tok.Encode(document)
	type m = *grammar.Matcher
	// changed returns masks in which ids from lo to below hi are set, or are not.
	changed := func(lo, hi int32, set bool) func(m, int) sample.Mask {
		return func(x m, left int) sample.Mask {
			mask := x.Mask(left)
			mask.Bits = slices.Clone(mask.Bits) // the grammar keeps its own
			for id := lo; id < hi; id++ {
				if mask.Bits[id/32] &^= 1 << (id % 32); set {
					mask.Bits[id/32] |= 1 << (id % 32)
				}
			}
			return mask
		}
	}
	refusing := func(ids ...int32) func(m, int32) bool {
		return func(x m, id int32) bool { return !slices.Contains(ids, id) && x.Accept(id) }
	}
	for _, tt := range []struct {
		name   string
		verify int
		fault  func(f *faulty)
		says   string
	}{
		{"nothing", 300, func(*faulty) {}, ""},
		{"a mask without a token of the document", 0, func(f *faulty) { f.mask = changed(tokens[2], tokens[2]+1, false) }, "the mask says false of token"},
		{"a token of the document is refused", 0, func(f *faulty) { f.accept = refusing(tokens[3]) }, "Accept says false"},
		{"a token whose bytes are accepted is refused", 0, func(f *faulty) {
			f.mask, f.accept = changed(tokens[0], tokens[0]+1, false), refusing(tokens[0])
		}, "takes its bytes one by one"},
		{"masks with markers", 300, func(f *faulty) { f.mask = changed(199_998, int32(v.tok.Vocab()), true) }, "the mask says true of token"},
		{"masks without most words", 300, func(f *faulty) { f.mask = changed(5_000, 199_998, false) }, "Accept says true"},
		{"masks with a token too many", 300, func(f *faulty) { f.mask = changed(tokens[0], tokens[0]+1, true) }, "the mask says true of token"},
		{"masks that forget the end", 300, func(f *faulty) {
			f.mask = func(x m, _ int) sample.Mask { return x.Mask(0) }
		}, "tokens left the mask says true"},
		{"masks that end too soon", 300, func(f *faulty) {
			f.mask = func(x m, left int) sample.Mask { return x.Mask(min(left, 1)) }
		}, "tokens left the mask says false"},
		{"every token is allowed", 300, func(f *faulty) { f.allows = func(m, int32) bool { return true } }, "Allows says true"},
		{"no token is allowed", 300, func(f *faulty) { f.allows = func(m, int32) bool { return false } }, "Allows says false"},
		{"nothing is taken back", 300, func(f *faulty) { f.rollback = func(m, int) {} }, "and Rollback, Distance says"},
		{"the end is everywhere", 1, func(f *faulty) { f.accepting = func(m) bool { return true } }, "Accepting says true, Distance"},
		{"the end is far", 1, func(f *faulty) { f.distance = func(x m) int { return 10 * x.Distance() } }, "the text may end after"},
		{"a crash", 0, func(f *faulty) { f.mask = func(m, int) sample.Mask { panic("broken") } }, "panic: broken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			job := grammarJob{documents: [][]byte{[]byte(document)}, verify: tt.verify, seeds: [2]uint64{1, 2}}
			if job.tokenizations, err = parseTokenizations(nil); err != nil {
				t.Fatal(err)
			}
			r := newGrammarReport()
			err := r.guard(func() error {
				return job.walk(t.Context(), v, r, func() matcher {
					f := rightAnswers(g)
					tt.fault(f)
					return f
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			var tally grammarTally
			tally.add(r)
			if tt.says == "" {
				if err := tally.verdict(); err != nil || len(r.Differences) > 0 || !r.Documents[0].Accepted {
					t.Errorf("%v: %+v", err, r)
				}
				return
			}
			if len(r.Differences) == 0 || !strings.Contains(r.Differences[0].What, tt.says) {
				t.Errorf("%+v, want %s", r.Differences, tt.says)
			}
			if s, ok := tally.verdict().(statusError); !ok || s.status != exitDifference {
				t.Errorf("%v", tally.verdict())
			}
		})
	}
}

// TestVerdictsAreCompared: a grammar that takes other texts as single bytes contradicts itself.
func TestVerdictsAreCompared(t *testing.T) {
	v := loaded(t)
	g, err := v.grammars.Compile(t.Context(), grammar.Source{Regex: "[a-z ]+"}, grammar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	job := grammarJob{documents: [][]byte{[]byte("one word"), []byte("two zebras")}}
	if job.tokenizations, err = parseTokenizations([]string{"canonical", "random:2", "bytes"}); err != nil {
		t.Fatal(err)
	}
	r := newGrammarReport()
	z := v.single['z']
	err = job.walk(t.Context(), v, r, func() matcher {
		f := rightAnswers(g)
		f.accept = func(m *grammar.Matcher, id int32) bool { return id != z && m.Accept(id) }
		f.mask = func(m *grammar.Matcher, left int) sample.Mask {
			mask := m.Mask(left)
			mask.Bits = slices.Clone(mask.Bits)
			mask.Bits[z/32] &^= 1 << (z % 32)
			return mask
		}
		return f
	})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(r.Differences, func(d difference) bool { return d.Tokenization == "bytes" })
	if i < 0 || r.Differences[i].Document != 1 || !r.Documents[0].Accepted || !r.Documents[1].Accepted {
		t.Fatalf("%+v", r)
	}
	if got, want := r.Differences[i].What, "it is rejected at byte 4, with the first tokenization it is accepted"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzTokenizations: all of them have the text's bytes, whatever they are.
func FuzzTokenizations(f *testing.F) {
	v := loaded(f)
	for _, s := range []string{"", "plain words", "{\"a\": [1.5e10, \"\\u00e9\"]}", "日本語 👩‍🚀", "\xff\xfe", "a\xc3", "<|end|>\ufffd"} {
		f.Add([]byte(s), uint64(1))
	}
	all, err := parseTokenizations([]string{"canonical", "bytes", "random:2"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		for _, k := range all {
			tokens := k.split(v, text, rand.New(rand.NewPCG(seed, 0)))
			var b []byte
			for _, id := range tokens {
				b = append(b, v.tok.Bytes(id)...)
			}
			if !bytes.Equal(b, text) {
				t.Errorf("%s: %q became %q", k.name, text, b)
			}
			if k.name == "canonical" && utf8.Valid(text) && !slices.Equal(tokens, v.tok.Encode(string(text))) {
				t.Errorf("%q: %v is not the tokenizer's", text, tokens)
			}
		}
	})
}

func TestBytesInWords(t *testing.T) {
	for _, tt := range []struct {
		bytes string
		end   bool
		want  string
	}{
		{"", false, ""},
		{"", true, "the end"},
		{"0123456789,}", true, "the end digit , }"},
		{"123456789abcdefxz", false, "1-9 a-f x z"},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_", false, "letter _"},
		{" \t\r\n\x00\x7f", false, "0x00 tab line feed carriage return space 0x7f"},
		{"\xc3\xe2", false, "character beyond ASCII"},
		{"\x80\xbf", false, "rest of a character"},
		{"!#$%&'()*+,-./:;<=>?@[]^_`{|}~", false, "! # $ % & ' ( ) * + , - . / : ; < = > ? ..."},
	} {
		var may [256]bool
		for i := range len(tt.bytes) {
			may[tt.bytes[i]] = true
		}
		if got := bytesInWords(may, tt.end); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.bytes, got, tt.want)
		}
	}
	var may [256]bool
	for b := ' '; b <= 0xf4; b++ {
		may[b] = b < 0x80 || b >= 0xc2
	}
	if got, want := bytesInWords(may, false), `character " \`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gossamer/runtime/tokenizer"
	"gossamer/runtime/tokenizer/o200k"
)

func load(t *testing.T) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := o200k.Load()
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// What the model is taught must be right by the measure that it is graded by, and no other skill's answer may pass for it.
func TestEveryAnswerIsRight(t *testing.T) {
	tok := load(t)
	m := newMix(tok, 1, false)
	for i := range skills {
		var earlier *dialogue
		for j := range 60 {
			st := m.setting()
			st.effort = effort(j % 3)
			d, err := m.conversation(&skills[i], st)
			if err != nil {
				t.Fatal(err)
			}
			if !grade(tok, d.whole(), d.want) {
				t.Errorf("%s: %s: the answer to %q is graded as wrong: %s", skills[i].name, st.effort.harmony(), d.user, textOf(tok, d.reply))
			}
			if earlier != nil && earlier.want != d.want && grade(tok, earlier.whole(), d.want) != grade(tok, d.whole(), earlier.want) && d.want.Kind == earlier.want.Kind {
				t.Errorf("%s: only one of two different answers passes for the other: %+v, %+v", skills[i].name, earlier.want, d.want)
			}
			earlier = d
		}
	}
}

func TestGradeRefusesWrongAnswers(t *testing.T) {
	tok := load(t)
	final := func(text string) []int32 {
		reply := append([]int32{tokenizer.Channel}, tok.Encode("final")...)
		reply = append(reply, tokenizer.Message)
		return append(append(reply, tok.Encode(text)...), tokenizer.Return)
	}
	for _, c := range []struct {
		answer string
		want   want
		right  bool
	}{
		{"17 + 25 = 42", want{Kind: kindNumber, Value: "42"}, true},
		{"42", want{Kind: kindNumber, Value: "42"}, true},
		{"17 + 25 = 43", want{Kind: kindNumber, Value: "42"}, false},
		{"5 - 870 = -865", want{Kind: kindNumber, Value: "-865"}, true},
		{"5 - 870 = 865", want{Kind: kindNumber, Value: "-865"}, false},
		{"9 - 8", want{Kind: kindNumber, Value: "8"}, true},
		{"No, that does not follow.", want{Kind: kindYesNo, Value: "no"}, true},
		{"Nobody knows.", want{Kind: kindYesNo, Value: "no"}, false},
		{"1, 2, 3", want{Kind: kindNumbers, Value: "1 2 3"}, true},
		{"1, 3, 2", want{Kind: kindNumbers, Value: "1 2 3"}, false},
		{`{"b": 1, "a": "x"}`, want{Kind: kindJSON, Value: `{"a":"x","b":1}`}, true},
		{`{"b": 1}`, want{Kind: kindJSON, Value: `{"a":"x","b":1}`}, false},
		{"The Day is Friday.", want{Kind: kindMatch, Value: `friday\W*$`}, true},
		{"Friday or Monday", want{Kind: kindMatch, Value: `friday\W*$`}, false},
		{"Friday", want{Kind: kindMatch, Value: "("}, false},
		{"", want{Kind: kindNumber, Value: "1"}, false},
		{`{"city":"Oslo"}`, want{Kind: kindCall, Name: "get_weather", Value: `{"city":"Oslo"}`}, false},
	} {
		if got := grade(tok, final(c.answer), c.want); got != c.right {
			t.Errorf("grade(%q, %+v) = %v, want %v", c.answer, c.want, got, c.right)
		}
	}
	if grade(tok, nil, want{Kind: kindRefusal}) {
		t.Error("silence passes for a refusal")
	}
}

// Effort must show in the length of the reasoning: in arithmetic low to medium to high as 1 to 1.5 to 2.5 at least, and in all skills
// together nearly so.
func TestEffortSetsTheLength(t *testing.T) {
	m := newMix(load(t), 3, false)
	length := func(skills []skill) (tokens [3]int) {
		for i := range skills {
			for range 50 {
				task := m.draw(&skills[i])
				for e := range effort(3) {
					tokens[e] += len(m.tok.Encode(task.think(e)))
				}
			}
		}
		return tokens
	}
	arithmetic := slices.DeleteFunc(slices.Clone(skills), func(k skill) bool { return !slices.Contains([]string{"add", "subtract", "multiply"}, k.name) })
	if n := length(arithmetic); len(arithmetic) != 3 || 2*n[medium] < 3*n[low] || 2*n[high] < 5*n[low] {
		t.Errorf("the reasoning of %d skills of arithmetic has %d, %d and %d tokens at low, medium and high effort", len(arithmetic), n[low], n[medium], n[high])
	}
	if n := length(skills); 5*n[medium] < 7*n[low] || n[high] < 2*n[low] {
		t.Errorf("all reasoning has %d, %d and %d tokens at low, medium and high effort", n[low], n[medium], n[high])
	}
}

func TestSharesArePercents(t *testing.T) {
	var sum float64
	for _, k := range skills {
		sum += k.share
	}
	if sum != 100 {
		t.Errorf("the shares add up to %g", sum)
	}
}

func TestHeldOutQuestionsAreNotTrained(t *testing.T) {
	tok := load(t)
	train, test := newMix(tok, 4, false), newMix(tok, 4, true)
	for i := range skills {
		for range 5 {
			if task := train.draw(&skills[i]); !task.fixed && heldOut(task.user) {
				t.Errorf("%s: %q is for evaluation and trained", skills[i].name, task.user)
			}
			if task := test.draw(&skills[i]); !task.fixed && !heldOut(task.user) {
				t.Errorf("%s: %q is for training and asked in the evaluation", skills[i].name, task.user)
			}
		}
	}
}

// A form is valid if its conclusion holds in every world in which its premises do: worlds are which of the 8 kinds of things exist,
// a kind being which of the three terms it is of, where each term has at least one thing.
func TestFormsAreValidOrNot(t *testing.T) {
	holds := func(world int, s statement) bool {
		all, none := true, true
		for kind := range 8 {
			has := func(term string) bool { return kind>>(term[0]-'a')&1 == 1 }
			if world>>kind&1 == 1 && has(s.subject) {
				all, none = all && has(s.predicate), none && !has(s.predicate)
			}
		}
		return map[string]bool{"all": all, "some": !none, "no": none}[s.quantity]
	}
	for _, f := range slices.Concat(forms, converses) {
		valid := true
		for world := range 256 {
			full := true
			for _, term := range []string{"a", "b", "c"} {
				full = full && holds(world, statement{"some", term, term})
			}
			if full && holds(world, f.p1) && (f.p2 == statement{} || holds(world, f.p2)) && !holds(world, f.c) {
				valid = false
			}
		}
		if valid != f.valid {
			t.Errorf("%+v: valid is %v, want %v", f, f.valid, valid)
		}
	}
}

func TestDataIsReproducible(t *testing.T) {
	tok := load(t)
	var files [2][]byte
	for i := range files {
		path := filepath.Join(t.TempDir(), "a.bin")
		if err := writeTraining(newMix(tok, 6, false), path, 2*blockSize); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = data
		if i > 0 {
			continue
		}
		index, err := os.ReadFile(filepath.Join(filepath.Dir(path), "a.json"))
		if err != nil {
			t.Fatal(err)
		}
		var x struct {
			Skills []string
			Tokens map[string]struct{ Count int }
		}
		if err := json.Unmarshal(index, &x); err != nil || len(x.Skills) != len(skills) {
			t.Fatalf("index: %v, skills %v", err, x.Skills)
		}
		n := 0
		for at := 0; at < len(data); n++ {
			word := func(i int) int { return int(binary.LittleEndian.Uint32(data[at+4*i:])) }
			at += 4 * (4 + word(2) + word(3))
		}
		if n != 2*blockSize {
			t.Errorf("the file has %d dialogues, want %d", n, 2*blockSize)
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("the same seed gives different data")
	}
}

func TestWilson(t *testing.T) {
	// 95 of 100: 88.82 to 97.85, as R's binom::binom.wilson gives.
	lo, hi := wilson(95, 100)
	if lo < 88.8 || lo > 88.85 || hi < 97.8 || hi > 97.9 {
		t.Errorf("wilson(95, 100) = %.2f, %.2f", lo, hi)
	}
}

func (d *dialogue) whole() []int32 { return slices.Concat(d.begun, d.reply) }

// A report below a bar says so, in the row that it is about.
func TestTableNamesWhatIsMissed(t *testing.T) {
	r := report{Visitors: []verdict{{Effort: medium.harmony(), Asked: 200, Right: 120, Refused: 76, Wrong: 4}, {Effort: high.harmony(), Asked: 200, Right: 150, Refused: 45, Wrong: 5}}}
	for e := range effort(3) {
		r.Cells = append(r.Cells, cell{Skill: "add", Effort: e.harmony(), Right: 94, Asked: 100, Accuracy: 94}, cell{Skill: "sort", Effort: e.harmony(), Right: 94, Asked: 100, Accuracy: 94})
	}
	var out strings.Builder
	if err := table(r, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"94.0 (0–0) | MISSED: 96 |\n", "94.0 (0–0) | met |\n", "| medium effort | 120 | 76 | 4 | met |", "| high effort | 150 | 45 | 5 | MISSED |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, out.String())
		}
	}
}

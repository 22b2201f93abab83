package grammar

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gossamer/runtime/testenv"
	"gossamer/runtime/tokenizer/tokenizertest"
)

// doubling is a grammar of a single text of 2^n bytes.
func doubling(n int) string {
	s := "root ::= r0\n"
	for i := range n {
		s += fmt.Sprintf("r%d ::= r%d r%d\n", i, i+1, i+1)
	}
	return s + fmt.Sprintf("r%d ::= \"a\"\n", n)
}

// What a source may cost is bounded by counts, not by a clock: of cells at compile time, and of cells while texts are matched.
func TestLimits(t *testing.T) {
	v := bytesAnd("aaaa", "bbbb", "abab", `{"`)
	deep := strings.Repeat(`{"items":`, 401) + "true" + strings.Repeat("}", 401)
	wide := make([]string, 0, 400)
	for i := range 400 {
		wide = append(wide, fmt.Sprintf(`"p%d":{"type":"string"}`, i))
	}
	var chained strings.Builder // each doubles the cases of the one before
	chained.WriteString(`{"allOf":[`)
	for i := range 20 {
		fmt.Fprintf(&chained, `{"anyOf":[{"required":["a%d"]},{"required":["b%d"]}]},`, i, i)
	}
	chained.WriteString(`true]}`)
	for _, tt := range []struct {
		name  string
		s     Source
		limit bool // refused
	}{
		{"long regular expression", Source{Regex: strings.Repeat("a", 64<<10)}, false},
		{"too long regular expression", Source{Regex: strings.Repeat("a", 64<<10+1)}, true},
		{"groups in groups", Source{Regex: strings.Repeat("(", 500) + "a" + strings.Repeat(")", 500)}, true},
		{"counts of counts", Source{Regex: "((a{1,1000}){1,1000}){1,1000}"}, false},
		{"a text that is too long", Source{Regex: "((a{1000}){1000}){1000}"}, true},
		{"rules that double the text", Source{EBNF: doubling(40)}, true},
		{"ambiguous counts", Source{Regex: "((ab?){2,40}){2,40}"}, false},
		{"a large count", Source{Regex: "a{65535}"}, false},
		{"too large a count", Source{Regex: "a{99999999999}"}, true},
		{"exponential states", Source{Regex: "(a|b)*a(a|b){60}"}, false},
		{"optional parts", Source{Regex: strings.Repeat("a?", 2000) + strings.Repeat("a", 2000)}, true},
		{"parts that are there or not", Source{Regex: strings.Repeat("[a-z ]?[a-e]?", 400) + "!"}, false},
		{"many optional rules", Source{EBNF: "root ::= " + strings.Repeat("r? ", 2500) + "\nr ::= \"a\" r | \"b\""}, true},
		{"rules beside themselves", Source{EBNF: "root ::= p p p p\np ::= [a-z] p [a-z] | [a-m ] p [n-z ] | \"\""}, false},
		{"nested schema", Source{JSONSchema: json.RawMessage(deep)}, true},
		{"many properties", Source{JSONSchema: json.RawMessage(`{"type":"object","properties":{` + strings.Join(wide, ",") + `}}`)}, false},
		{"exponential cases", Source{JSONSchema: json.RawMessage(chained.String())}, true},
		{"a large string", Source{JSONSchema: json.RawMessage(`{"type":"string","minLength":1000,"maxLength":65535}`)}, false},
		{"many items", Source{JSONSchema: json.RawMessage(`{"type":"array","items":{"type":"object"},"minItems":1000,"maxItems":1000000}`)}, false},
		{"ambiguous rules", Source{EBNF: `root ::= "a" root "b" | "a" root "a" | "b" root "a" | ("a"|"b")?`}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, err := v.Compile(t.Context(), tt.s, Options{})
			var limit *LimitError
			if tt.limit {
				if !errors.As(err, &limit) {
					t.Fatalf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m := g.NewMatcher()
			for range 30 {
				mask := m.Mask(0)
				i := slices.IndexFunc(mask.Bits, func(w uint32) bool { return w != 0 })
				if i < 0 {
					break
				}
				for b := range int32(32) {
					if mask.Bits[i]>>b&1 != 0 && m.Accept(int32(i)*32+b) {
						break
					}
				}
				if m.e.cells > m.e.limit+m.e.limit/2 {
					t.Fatalf("%d cells, the limit is %d", m.e.cells, m.e.limit)
				}
			}
			if m.Distance() >= never {
				t.Error("a place without an end")
			}
		})
	}
}

// The work of a mask is bounded where places are as many as the tokens, and it is small for what schemas usually have.
func TestWorkOfMasks(t *testing.T) {
	clock := func() time.Duration { return 0 }
	for _, schema := range []string{
		`{"type":"string","pattern":"a.{12}b","maxLength":200}`,
		`{"allOf":[{"pattern":"a.{10}b"},{"pattern":"e.{10}d"}],"type":"string"}`,
		`{"type":"string","not":{"pattern":"a.{12}b"}}`,
		`{"type":"string","pattern":"^(([a-z]|[A-Z ]){2,7}e?){3,40}$","minLength":20,"maxLength":1000}`,
	} {
		m := compile(t, o200k(), Source{JSONSchema: json.RawMessage(schema)}, Options{}).NewMatcher()
		for i, id := range tokenizertest.Vocabulary().Encode(`"An abracadabra of all that`) {
			_, c := measure(m, 0, clock)
			if c.derived > 4*maxWork || c.sight > 2*maxSight {
				t.Errorf("%s, token %d: %v", schema, i, c)
			}
			if !m.Accept(id) {
				t.Fatalf("%s, token %d is refused", schema, i)
			}
		}
	}
	for _, w := range workloads() {
		costs := goThrough(t, w, 1, clock)
		slices.SortFunc(costs, func(a, b cost) int { return a.derived - b.derived })
		if c := costs[len(costs)-1]; c.derived > 30000 {
			t.Errorf("%v", c)
		}
		if c := costs[len(costs)*9/10]; c.derived > 8000 {
			t.Errorf("a mask of ten: %v", c)
		}
		slices.SortFunc(costs, func(a, b cost) int { return a.nodes - b.nodes })
		if c := costs[len(costs)*9/10]; c.nodes > 60000 {
			t.Errorf("a mask of ten: %v", c)
		}
	}
}

// Small tables are given up and made anew; the places of matchers go on.
func TestTablesAreRenewed(t *testing.T) {
	v := bytesAnd("aaaa", "ab")
	g, err := v.Compile(t.Context(), Source{JSONSchema: json.RawMessage(`{"type":"string","maxLength":60000}`)}, Options{Limits: Limits{Cells: 20000}})
	if err != nil {
		t.Fatal(err)
	}
	m := g.NewMatcher()
	first := m.e
	m.Accept('"')
	for i := range 3000 {
		if !m.Accept(int32('a' + i%2)) {
			t.Fatalf("character %d is refused", i)
		}
	}
	if m.e == first {
		t.Error("the tables were never full")
	}
	m.Rollback(16)
	for i := range 59_000 {
		if !m.Accept('a') {
			if n := 3000 - 16 + i; n != 60000 {
				t.Fatalf("character %d is refused", n)
			}
			break
		}
	}
}

// Matchers of one grammar may be used at the same time, also while the tables are renewed.
func TestMatchersAtOnce(t *testing.T) {
	v := bytesAnd("aaaa", "ab")
	g, err := v.Compile(t.Context(), Source{JSONSchema: json.RawMessage(`{"type":"string","maxLength":60000}`)}, Options{Limits: Limits{Cells: 20000}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			m := g.NewMatcher()
			m.Accept('"')
			for n := range 1500 {
				if mask := m.Mask(0); n%100 == i && mask.Bits['a'/32]>>('a'%32)&1 == 0 || !m.Accept(int32('a'+n%2)) {
					t.Errorf("matcher %d: character %d is refused", i, n)
					return
				}
			}
		})
	}
	wg.Wait()
}

// seeds of fuzz tests.
var (
	regexSeeds = []string{`^a|b$`, `[a-z0-9_]{2,5}(x|y)*\d+`, `\u00e9\p{Lu}[^\w-]`, `(?:a{3}){2,}?.`, `(^a)?b(c$|d)`}
	ebnfSeeds  = []string{"root ::= a (\"x\" | [0-9]+){2,3} # c\na ::= \"y\" a | .?\n", "root ::= '\\n' root? \"b\"",
		`root ::= root "+" t | t
			t ::= s "*" [0-9] | "(" root ")"
			s ::= t | "x"{2}`}
	schemaSeeds = []string{person, `{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"type":["object","null"],"patternProperties":{"^x":{"type":"integer"}}}}}`,
		`{"oneOf":[{"const":1},{"enum":["a",{"b":[null]}]}]}`, `{"type":"number","minimum":-1.5,"exclusiveMaximum":1e2,"multipleOf":0.5}`,
		`{"prefixItems":[{"type":"boolean"}],"items":false,"minItems":1}`, `{"dependentRequired":{"a":["b"]},"minProperties":1,"maxProperties":2}`,
		`{"if":{"required":["a"]},"then":{"not":{"enum":[{"a":1}]}},"else":{"propertyNames":{"pattern":"^b"}},"unevaluatedProperties":false}`,
		`{"contains":{"type":"string"},"minContains":1,"maxContains":2,"prefixItems":[{"not":{"type":"integer"}}],"unevaluatedItems":{"const":1}}`,
		`{"items":{"enum":["a",1,null]},"uniqueItems":true,"oneOf":[{"minItems":1},{"maxItems":2}]}`}
)

// fuzz compiles what it is given and walks through it: masks agree with single ids, and every place has an end.
func fuzz(t testing.TB, s Source) {
	g, err := bytesAnd("ab", `":`, "xx").Compile(t.Context(), s, Options{Lenient: len(s.JSONSchema)%2 == 0, Limits: Limits{Cells: 30000}})
	if err != nil {
		return
	}
	m := g.NewMatcher()
	for step := range 12 {
		mask := m.Mask(0)
		var allowed []int32
		for id := range int32(g.vocab.ids) {
			bit := mask.Bits[id/32]>>(id%32)&1 != 0
			if bit != m.Allows(id) && m.e.cells < m.e.limit/2 {
				t.Fatalf("step %d, id %d: the mask says %v", step, id, bit)
			}
			if bit {
				allowed = append(allowed, id)
			}
		}
		if len(allowed) == 0 {
			if !m.Accepting() && m.e.cells < m.e.limit/2 {
				t.Fatal("no way on")
			}
			return
		}
		m.Accept(allowed[(step*7+len(allowed)/2)%len(allowed)])
		if m.Distance() >= never {
			t.Fatal("a place without an end")
		}
	}
}

func FuzzRegex(f *testing.F) {
	testenv.Fuzz(f, regexSeeds, func(t testing.TB, input string) { fuzz(t, Source{Regex: input}) })
}

func FuzzEBNF(f *testing.F) {
	testenv.Fuzz(f, ebnfSeeds, func(t testing.TB, input string) { fuzz(t, Source{EBNF: input}) })
}

func FuzzSchema(f *testing.F) {
	testenv.Fuzz(f, schemaSeeds, func(t testing.TB, input string) { fuzz(t, Source{JSONSchema: json.RawMessage(input)}) })
}

// TestDistanceStays: a way to the end that was too much work to divide into tokens is told in bytes ever after, and those that meet it are
// divided up to there.
func TestDistanceStays(t *testing.T) {
	m := compile(t, o200k(), Source{Regex: `(the answer is |an answer is )[0-9]{4}\.`}, Options{}).NewMatcher()
	m.Accept(tokenizertest.Vocabulary().Encode("the")[0])
	m.e.mu.Lock()
	m.e.hard = m.e.exprs.work
	told := int(m.e.tokens(m.at))
	m.e.mu.Unlock()
	if want := len(" answer is 0000."); told != want {
		t.Fatalf("without work the end is %d tokens away, want %d", told, want)
	}
	if d := m.Distance(); d != told {
		t.Errorf("the end is %d tokens away, and then %d", told, d)
	}
	m.Accept(tokenizertest.Vocabulary().Encode(" answer")[0])
	if d := m.Distance(); d >= told {
		t.Errorf("behind one more token the end is %d tokens away, want fewer than %d", d, told)
	}
}

// What is refused is a keyword that the schema has.
func TestTooManyProperties(t *testing.T) {
	var all []string
	for i := range 10_001 {
		all = append(all, fmt.Sprintf(`"p%d":true`, i))
	}
	schema := `{"type":"object","properties":{` + strings.Join(all, ",") + `}}`
	_, err := bytesAnd().Compile(t.Context(), Source{JSONSchema: json.RawMessage(schema)}, Options{})
	var unsupported *UnsupportedError
	if !errors.As(err, &unsupported) || unsupported.Keyword != "properties" {
		t.Errorf("%v", err)
	}
}

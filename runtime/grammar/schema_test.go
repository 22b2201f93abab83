package grammar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSchemas(t *testing.T) {
	v := bytesAnd()
	for _, tt := range []struct {
		name, schema string
		yes, no      []string
	}{
		{"order of properties", `{"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"null"}},"required":["a"]}`,
			[]string{`{"a":null}`, `{"b":-5,"a":null}`, `{"a":null,"c":[{}]}`}, []string{`{}`, `{"a":null,"b":1}`, `{"b":1,}`, `{"b":-0,"a":null}`,
				`{"a":1}`}},
		{"additional names differ from declared ones in every spelling", `{"type":"object","properties":{"ab":false},"additionalProperties":true}`,
			[]string{`{"a":1}`, `{"abc":1}`}, []string{`{"ab":1}`, `{"\u0061b":1}`, `{"a\u0062":1}`}},
		{"patterns of names", `{"type":"object","patternProperties":{"^x":{"type":"integer"},"y$":{"minimum":5}},"additionalProperties":{"type":"null"}}`,
			[]string{`{"x":1,"a":null,"xy":7,"y":6}`}, []string{`{"x":null}`, `{"xy":4}`, `{"y":4}`, `{"a":1}`}},
		{"recursion", `{"$defs":{"t":{"type":"object","properties":{"l":{"$ref":"#/$defs/t"}},"additionalProperties":false}},"$ref":"#/$defs/t"}`,
			[]string{`{}`, `{"l":{"l":{"l":{}}}}`}, []string{`{"l":{"l":{"l":1}}}`, `{"l":{}`}},
		{"string with everything", `{"type":"string","pattern":"^[a-zé💩]+$","minLength":2,"maxLength":3,"not":{"enum":["abc"]}}`,
			[]string{`"ab"`, `"aé💩"`, `"\u00e9a"`, `"\ud83d\udca9a"`}, []string{`"a"`, `"abcd"`, `"abc"`, `"aB"`}},
		{"length counts characters", `{"type":"string","maxLength":2}`, []string{`"💩💩"`, `"\ud83d\udca9\n"`, `"\u0061b"`}, []string{`"abc"`,
			`"\ud83d"`}},
		{"tuple", `{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"const":3},"minItems":1,"maxItems":4}`,
			[]string{`[1]`, `[1,2]`, `[1,2,3,3]`}, []string{`[]`, `[2]`, `[1,3]`, `[1,2,3,3,3]`}},
		{"counted items", `{"type":"array","items":{"type":"array","maxItems":0},"minItems":2,"maxItems":3}`,
			[]string{`[[],[]]`, `[[],[],[]]`}, []string{`[[]]`, `[[],[],[],[]]`, `[[],[1]]`}},
		{"counted properties", `{"type":"object","properties":{"a":{},"b":{},"c":{}},"additionalProperties":false,"minProperties":2,"maxProperties":2}`,
			[]string{`{"a":1,"b":1}`, `{"a":1,"c":1}`, `{"b":1,"c":1}`}, []string{`{}`, `{"a":1}`, `{"a":1,"b":1,"c":1}`}},
		{"oneOf by a constant", `{"oneOf":[{"properties":{"k":{"const":"x"},"n":{"type":"integer"}},"required":["k"],"type":"object"},
			{"properties":{"k":{"const":"y"}},"required":["k"],"type":"object","additionalProperties":false}]}`,
			[]string{`{"k":"x","n":1}`, `{"k":"y"}`}, []string{`{"k":"z"}`, `{"k":"y","n":1}`}},
		{"enumeration", `{"enum":["a",1.50,null,{"k":[true]}],"type":["string","number","object"]}`,
			[]string{`"a"`, `1.5`, `{"k":[true]}`}, []string{`null`, `{"k":[]}`, `"b"`}},
		{"dependency", `{"type":"object","properties":{"a":{},"b":{}},"dependentRequired":{"a":["b"]},"additionalProperties":false}`,
			[]string{`{}`, `{"b":1}`, `{"a":1,"b":1}`}, []string{`{"a":1}`}},
		{"if", `{"type":"object","properties":{"kind":{"enum":["a","b"]},"n":{"type":"integer"}},"required":["kind"],"additionalProperties":false,
			"if":{"properties":{"kind":{"const":"a"}}},"then":{"required":["n"]},"else":{"properties":{"n":false}}}`,
			[]string{`{"kind":"a","n":1}`, `{"kind":"b"}`}, []string{`{"kind":"a"}`, `{"kind":"b","n":1}`, `{}`}},
		{"oneOf of what overlaps", `{"oneOf":[{"type":"integer","minimum":2},{"type":"integer","maximum":4}]}`,
			[]string{`1`, `5`, `-7`}, []string{`2`, `3`, `4`}},
		{"oneOf by required properties", `{"type":"object","properties":{"a":{},"b":{}},"additionalProperties":false,
			"oneOf":[{"required":["a"]},{"required":["b"]}]}`,
			[]string{`{"a":1}`, `{"b":1}`}, []string{`{}`, `{"a":1,"b":1}`}},
		{"oneOf of closed objects", `{"oneOf":[{"type":"object","properties":{"a":{}},"additionalProperties":false},
			{"type":"object","properties":{"b":{}},"additionalProperties":false}]}`,
			[]string{`{"a":1}`, `{"b":1}`}, []string{`{}`, `{"a":1,"b":1}`}},
		{"not", `{"type":["integer","string","boolean","array"],"not":{"enum":[1,"x",true,[1]]},"items":{"type":"integer"}}`,
			[]string{`2`, `11`, `"y"`, `""`, `false`, `[]`, `[2]`, `[1,1]`}, []string{`1`, `"x"`, `"\u0078"`, `true`, `[1]`}},
		{"not a multiple", `{"type":"number","not":{"multipleOf":0.5}}`, []string{`0.25`, `1.1`, `-3.75`}, []string{`0.5`, `1`, `1.0`, `1.50`, `0`}},
		{"not whole", `{"type":"number","not":{"type":"integer"}}`, []string{`0.5`, `-1.25`}, []string{`1`, `1.0`, `0`}},
		{"some property", `{"type":"object","not":{"additionalProperties":{"type":"integer"}}}`,
			[]string{`{"a":"x"}`, `{"a":1,"b":null,"c":2}`}, []string{`{}`, `{"a":1}`, `{"a":1,"b":2}`}},
		{"contains", `{"type":"array","items":{"type":["integer","string"]},"contains":{"type":"string"},"minContains":1,"maxContains":2}`,
			[]string{`["a"]`, `[1,"a",2,"b",3]`}, []string{`[]`, `[1]`, `["a","b","c"]`}},
		{"items that differ", `{"type":"array","items":{"enum":["a","b",3]},"uniqueItems":true,"minItems":1}`,
			[]string{`["a"]`, `["b","a"]`, `[3,"a","b"]`}, []string{`[]`, `["a","a"]`, `["a","b","a"]`}},
		{"properties that nothing evaluates", `{"type":"object","properties":{"a":{}},"allOf":[{"properties":{"b":{}}}],"unevaluatedProperties":false}`,
			[]string{`{}`, `{"a":1,"b":2}`}, []string{`{"c":1}`, `{"a":1,"c":1}`}},
		{"dates", `{"format":"date","type":"string"}`, []string{`"2024-02-29"`, `"2000-02-29"`, `"0001-12-31"`},
			[]string{`"2023-02-29"`, `"1900-02-29"`, `"0000-01-01"`, `"2024-04-31"`}},
		{"mailboxes", `{"format":"email","type":"string"}`, []string{`"a@b.c"`, `"o'x.y+z@mail.example.org"`}, []string{`"a@b"`, `"b.c"`, `"a@-b.c"`,
			`"a..b@c.d"`, `"@b.c"`}},
		{"host names", `{"format":"hostname","type":"string"}`, []string{`"a"`, `"a--b.c-d"`, `"3.example"`}, []string{`"xn--X"`, `"ab--c"`, `"a."`,
			`"-a"`, `"a-"`}},
		{"addresses", `{"format":"uri","type":"string"}`, []string{`"file:///path"`, `"http://u:p@example.com:80/a?b#c"`, `"http://[::1]/"`, `"urn:a:b"`},
			[]string{`"http://example.com:abc/path"`, `"http://a b"`, `"/a"`, `"http://[::1::]"`, `"http://é"`}},
		{"addresses in letters", `{"format":"iri","type":"string"}`, []string{`"http://é/ü"`}, []string{`"not-an-iri"`}},
		{"references", `{"format":"uri-reference","type":"string"}`, []string{`""`, `"a/b:c"`, `"//h/p"`, `"#f"`, `"?q"`, `"a:b"`}, []string{`"1:b"`,
			`"a b"`}},
		{"durations", `{"format":"duration","type":"string"}`, []string{`"P1Y2M3DT4H5M6S"`, `"PT0S"`, `"P4W"`}, []string{`"P"`, `"P1DT"`, `"P1Y2D"`,
			`"P1W1D"`}},
		{"exponents", `{"type":"number","minimum":0}`, []string{`1e-06`, `1.5E+16`, `2e-2`}, []string{`-1e-06`, `1e-999`, `10e5`, `-1e+20`}},
		{"exponents within bounds", `{"type":"number","exclusiveMinimum":-1,"exclusiveMaximum":1}`, []string{`1e-06`, `-1.5e-10`}, []string{`1e6`, `1e0`,
			`-1e1`}},
		{"numbers that are not whole have no exponents", `{"type":"number","not":{"type":"integer"}}`, []string{`1.5`}, []string{`1.5e3`, `1e-06`}},
		{"more patterns of names", `{"patternProperties":{"^a":{"const":1},"^b":{"const":2},"^c":{"const":3},"^d":{"const":4},
			"^e":{"const":5},"^f":{"const":6},
			"^g":{"const":7},"^h":{"const":8},"x$":{"type":"integer"}},"additionalProperties":false,"type":"object"}`,
			[]string{`{"a":1,"hx":8,"x":9}`}, []string{`{"h":1}`, `{"i":1}`, `{"x":"y"}`}},
		{"beside a reference nothing counts in old drafts", `{"$schema":"http://json-schema.org/draft-07/schema#",
			"properties":{"a":{"type":"string","$ref":"#/definitions/a"}},
			"definitions":{"a":{"type":"integer"}},"type":"object"}`, []string{`{"a":1}`}, []string{`{"a":"x"}`}},
		{"beside a reference all counts", `{"properties":{"a":{"minimum":2,"$ref":"#/definitions/a"}},
			"definitions":{"a":{"type":"integer"}},"type":"object"}`,
			[]string{`{"a":2}`}, []string{`{"a":1}`, `{"a":2.5}`}},
		{"lengths that say nothing", `{"type":"string","pattern":"^a{1,3}é?$","minLength":1,"maxLength":5}`, []string{`"a"`, `"aaaé"`}, []string{`""`,
			`"aaaa"`}},
		{"lengths that say something", `{"type":"string","pattern":"^a{1,3}é?$","minLength":2,"maxLength":3}`, []string{`"aa"`, `"aaé"`}, []string{`"a"`,
			`"aaaé"`}},
		{"dynamic reference", `{"$dynamicAnchor":"n","type":"object","properties":{"l":{"$dynamicRef":"#n"}},"additionalProperties":false}`,
			[]string{`{"l":{"l":{}}}`}, []string{`{"l":1}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := compile(t, v, Source{JSONSchema: json.RawMessage(tt.schema)}, Options{})
			checkTexts(t, tt.schema, g, tt.yes, tt.no)
		})
	}
}

// Alternatives that are told apart by a property stay as many cases as there are alternatives.
func TestManyAlternatives(t *testing.T) {
	v := bytesAnd()
	var ifs, alternatives, some []string
	for i := range 12 {
		ifs = append(ifs, fmt.Sprintf(`{"if":{"properties":{"kind":{"const":"k%d"}},"required":["kind"]},
			"then":{"properties":{"v":{"const":%d}},"required":["v"]}}`, i, i))
		alternatives = append(alternatives, fmt.Sprintf(`{"type":"object",
			"properties":{"v%d":{"type":"integer","minimum":1},"a":{"type":"string"}},"required":["v%d"]}`, i, i))
		some = append(some, fmt.Sprintf(`{"type":"object","properties":{"a%d":{"type":"string"},"b%d":{"minimum":1}}}`, i, i))
	}
	g := compile(t, v, Source{JSONSchema: json.RawMessage(`{"type":"object","properties":{"kind":{"type":"string"}},"required":["kind"],"allOf":[` +
		strings.Join(ifs, ",") + "]}")}, Options{})
	for text, want := range map[string]bool{`{"kind":"k3","v":3}`: true, `{"kind":"k3","v":4}`: false, `{"kind":"k3"}`: false,
		`{"kind":"x","v":[]}`: true, `{"kind":"x"}`: true} {
		if got := accepts(g, text); got != want {
			t.Errorf("%s: accepted %v", text, got)
		}
	}
	g = compile(t, v, Source{JSONSchema: json.RawMessage(`{"oneOf":[` + strings.Join(alternatives, ",") + "]}")}, Options{})
	for text, want := range map[string]bool{`{"v3":1}`: true, `{"v3":1,"a":"x"}`: true, `{"v3":1,"v5":0}`: true, `{"v3":1,"v5":1}`: false,
		`{"v3":0}`: false, `{"v3":1,"a":1}`: false} {
		if got := accepts(g, text); got != want {
			t.Errorf("%s: accepted %v", text, got)
		}
	}
	// Too many are refused, or ignored.
	schema := json.RawMessage(`{"oneOf":[` + strings.Join(some, ",") + "]}")
	var limit *LimitError
	if _, err := v.Compile(t.Context(), Source{JSONSchema: schema}, Options{}); !errors.As(err, &limit) {
		t.Errorf("%v", err)
	}
	if g := compile(t, v, Source{JSONSchema: schema}, Options{Lenient: true}); !slices.Contains(g.Ignored(), "/oneOf") {
		t.Errorf("ignored: %v", g.Ignored())
	}
}

func TestWhitespace(t *testing.T) {
	const schema = `{"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}},"b":{"enum":[[1,2]]}}}`
	for w, tt := range map[Whitespace]struct{ yes, no []string }{
		Compact: {[]string{`{"a":[1,2],"b":[1,2]}`}, []string{`{"a": [1,2]}`, `{ }`}},
		Python:  {[]string{`{"a": [1, 2], "b": [1, 2]}`, `{}`}, []string{`{"a":[]}`, `{"a": [1,2]}`, `{ }`}},
		One:     {[]string{`{ "a" : [ 1 , 2 ] }`, `{"a":[1,2]}`}, []string{`{  }`, "{\n}"}},
		Any:     {[]string{"{\n\t\"a\" :  [1,\r\n2 ] , \"b\":[1,2]}"}, []string{`{"a":[1 2]}`}},
	} {
		g := compile(t, bytesAnd(), Source{JSONSchema: json.RawMessage(schema)}, Options{Whitespace: w})
		checkTexts(t, fmt.Sprintf("white space %d", w), g, tt.yes, tt.no)
	}
}

func TestSchemaErrors(t *testing.T) {
	v := bytesAnd()
	for _, tt := range []struct {
		schema string
		want   error
	}{
		{`{"properties":{"a":{"uniqueItems":true}},"type":"object"}`, &UnsupportedError{}},
		{`{"not":{"unevaluatedProperties":false}}`, &UnsupportedError{}},
		{`{"type":"object","minProperties":4}`, &UnsupportedError{}},
		{`{"contains":{"type":"string"},"minContains":90,"maxItems":90}`, &UnsupportedError{}},
		{`{"type":"string","format":"regex"}`, &UnsupportedError{}},
		{`{"not":{}}`, &EmptyError{}},
		{`{"oneOf":[true,{"type":"object"},{"not":{"type":"object"}}]}`, &EmptyError{}},
		{`{"$ref":"https://example.org/x"}`, &UnsupportedError{}},
		{`{"pattern":"(?=a)b"}`, &UnsupportedError{}},
		{`{"type":"string","minLength":3,"maxLength":2}`, &EmptyError{}},
		{`{"type":"object","properties":{"a":false},"required":["a"]}`, &EmptyError{}},
		{`{"type":"integer","exclusiveMinimum":3,"exclusiveMaximum":4}`, &EmptyError{}},
		{`{"type":"string","pattern":"^a$","not":{"const":"a"}}`, &EmptyError{}},
		{`false`, &EmptyError{}},
		{`{"type":"text"}`, &SyntaxError{}},
		{`{"type":`, &SyntaxError{}},
		{`{"$ref":"#"}`, &SyntaxError{}},
		{`12`, &SyntaxError{}},
		{`{} {}`, &SyntaxError{}},
	} {
		_, err := v.Compile(t.Context(), Source{JSONSchema: json.RawMessage(tt.schema)}, Options{})
		if got, want := fmt.Sprintf("%T", err), fmt.Sprintf("%T", tt.want); got != want {
			t.Errorf("%s: %s %v, want %s", tt.schema, got, err, want)
		}
	}
	var unsupported *UnsupportedError
	_, err := v.Compile(t.Context(), Source{JSONSchema: json.RawMessage(`{"properties":{"a/b":{"uniqueItems":true}}}`)}, Options{})
	if !errors.As(err, &unsupported) || unsupported.Path != "/properties/a~1b" || unsupported.Keyword != "uniqueItems" {
		t.Errorf("%v", err)
	}
	const ignoring = `{"properties":{"a":{"uniqueItems":true,"format":"colour","items":{"format":"regex"},"not":{"uniqueItems":true}}}}`
	g := compile(t, v, Source{JSONSchema: json.RawMessage(ignoring)}, Options{Lenient: true})
	if got := strings.Join(g.Ignored(), " "); got != "/properties/a/format /properties/a/items/format /properties/a/not/uniqueItems /properties/a/uniqueItems" {
		t.Errorf("ignored: %s", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Compile(ended, Source{JSONSchema: json.RawMessage(person)}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := v.Compile(t.Context(), Source{Regex: "a", JSONObject: true}, Options{}); err == nil {
		t.Error("two sources at once")
	}
}

// Numbers within bounds, against arithmetic.
func TestNumbers(t *testing.T) {
	v := bytesAnd()
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.IntRange(0, 2).Draw(t, "places")
		number := func(name string) string {
			return strconv.FormatFloat(float64(rapid.IntRange(-1200, 1200).Draw(t, name))/[]float64{1, 10, 100}[places], 'f', -1, 64)
		}
		lo, hi, step := number("lo"), number("hi"), rapid.SampledFrom([]string{"", "3", "7", "0.5", "0.25"}).Draw(t, "step")
		kind := rapid.SampledFrom([]string{"integer", "number"}).Draw(t, "type")
		schema := fmt.Sprintf(`{"type":%q,"minimum":%s,"exclusiveMaximum":%s`, kind, lo, hi)
		if step != "" {
			schema += `,"multipleOf":` + step
		}
		g, err := v.Compile(t.Context(), Source{JSONSchema: json.RawMessage(schema + "}")}, Options{})
		if empty := (*EmptyError)(nil); err != nil && !errors.As(err, &empty) {
			t.Fatal(err)
		}
		for _, text := range []string{number("x"), number("x"), number("x"), lo, hi, "0"} {
			x, _ := strconv.ParseFloat(text, 64)
			l, _ := strconv.ParseFloat(lo, 64)
			h, _ := strconv.ParseFloat(hi, 64)
			want := x >= l && x < h && (kind == "number" || !slices.Contains([]byte(text), '.'))
			if m, err := strconv.ParseFloat(step, 64); err == nil {
				q := x / m
				want = want && q-float64(int64(q)) < 1e-9 && q-float64(int64(q)) > -1e-9
			}
			if got := g != nil && accepts(g, text); got != want {
				t.Fatalf("%s}: %s accepted %v, want %v", schema, text, got, want)
			}
		}
	})
}

// Multiples of large numbers are told by arithmetic, those of too many remainders are refused.
func TestMultiples(t *testing.T) {
	v := bytesAnd()
	for _, of := range []int64{7, 100, 250, 256, 500, 511, 512, 1000, 1440, 3600, 36000, 1_000_000} {
		g, err := v.Compile(t.Context(), Source{JSONSchema: fmt.Appendf(nil, `{"type":"integer","multipleOf":%d}`, of)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for n := range int64(60) {
			for _, x := range []int64{of * n, of*n + 1, of*n + 10, -of * n, of * n * 997 / 2} {
				if x == 0 && n > 0 {
					continue
				}
				if text := strconv.FormatInt(x, 10); accepts(g, text) != (x%of == 0) {
					t.Errorf("%s as a multiple of %d: %v", text, of, accepts(g, text))
				}
			}
		}
	}
	for _, of := range []string{"513", "4096", "86400", "1000003", "0.513", "5e15"} {
		var unsupported *UnsupportedError
		if _, err := v.Compile(t.Context(), Source{JSONSchema: json.RawMessage(`{"multipleOf":` + of + `}`)}, Options{}); !errors.As(err, &unsupported) {
			t.Errorf("%s: %v", of, err)
		}
	}
}

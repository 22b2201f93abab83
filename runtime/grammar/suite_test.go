package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gossamer/runtime/testenv"
)

// suite is a directory of test data beside the repository, which is not part of it.
func suite(t testing.TB, name string) string {
	dir := filepath.Join(testenv.Root(t), "../shared/suites", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the suite is not there: ", dir)
	}
	return dir
}

// The JSON parsing suite: what must be accepted (y_) and what must be refused (n_).
func TestJSONParsingSuite(t *testing.T) {
	dir := suite(t, "json-parsing/test_parsing")
	v := bytesAnd()
	any := compile(t, v, Source{JSONSchema: json.RawMessage(`true`)}, Options{Whitespace: Any})
	object := compile(t, v, Source{JSONObject: true}, Options{Whitespace: Any})
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[byte]int{}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		kind := f.Name()[0]
		if kind == 'y' {
			text = bytes.Trim(text, " \t\r\n")
		}
		if len(text) > 10000 { // arrays in arrays, deeper than is allowed
			text = text[:10000]
		}
		counts[kind]++
		gotAny, gotObject := accepts(any, string(text)), accepts(object, string(text))
		switch {
		case kind == 'y' && !gotAny:
			t.Errorf("%s is refused", f.Name())
		case kind == 'y' && gotObject != bytes.HasPrefix(text, []byte("{")):
			t.Errorf("%s as an object: %v", f.Name(), gotObject)
		case kind == 'n' && (gotAny || gotObject):
			t.Errorf("%s is accepted", f.Name())
		}
	}
	t.Logf("y: %d, n: %d", counts['y'], counts['n'])
}

// ratchet is what the JSON Schema suite's tests come to. None may accept what is invalid; what is refused is in testdata/suite.txt, each with
// a reason.
type ratchet struct {
	Tests, Accepted, Rejected int // rightly
	Schemas                   int
	Unsupported               int // schemas
	Refused                   int // valid instances of compiled schemas
}

func TestJSONSchemaSuite(t *testing.T) { checkSuite(t, "*.json", schemaRatchet) }

// The tests of formats take them for assertions, as we do, but for those of the file that says that formats are notes.
func TestFormatSuite(t *testing.T) { checkSuite(t, "optional/format/*.json", formatRatchet) }

func checkSuite(t *testing.T, pattern string, ratchets map[string][2]ratchet) {
	dir := suite(t, "json-schema/tests")
	v := bytesAnd()
	for draft, wants := range ratchets {
		for order, want := range wants {
			if want != (ratchet{}) {
				t.Run(fmt.Sprint(draft, " order ", order), func(t *testing.T) {
					refused := checkDraft(t, v, filepath.Join(dir, draft, pattern), Order(order), want)
					compareRefusals(t, refused, strings.TrimPrefix(draft, "draft")+[]string{"", " any"}[order])
				})
			}
		}
	}
}

// checkDraft returns what is refused, by file, with why.
func checkDraft(t *testing.T, v *Vocabulary, pattern string, order Order, want ratchet) (refused map[string]map[string]string) {
	var got ratchet
	refused = map[string]map[string]string{}
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var groups []struct {
			Description string
			Schema      json.RawMessage
			Tests       []struct {
				Description string
				Data        json.RawMessage
				Valid       bool
			}
		}
		if err := json.Unmarshal(text, &groups); err != nil {
			t.Fatal(err)
		}
		here := map[string]string{}
		refused[filepath.Base(f)] = here
		for _, g := range groups {
			got.Schemas++
			name := filepath.Base(f) + ": " + g.Description
			compiled, err := v.Compile(t.Context(), Source{JSONSchema: g.Schema}, Options{Order: order})
			if empty := (*EmptyError)(nil); errors.As(err, &empty) {
				for _, test := range g.Tests {
					got.Tests++
					if test.Valid {
						got.Refused++
						here[name+": "+test.Description] = "the schema is called empty"
					} else {
						got.Rejected++
					}
				}
				continue
			}
			if err != nil {
				got.Unsupported++
				here[name] = err.Error()
				continue
			}
			for _, test := range g.Tests {
				got.Tests++
				accepted := accepts(compiled, instance(t, g.Schema, test.Data, order))
				switch {
				case accepted && test.Valid:
					got.Accepted++
				case !accepted && !test.Valid:
					got.Rejected++
				case accepted:
					t.Errorf("%s: %s: accepted, and invalid: %s by %s", name, test.Description, test.Data, g.Schema)
				default:
					got.Refused++
					here[name+": "+test.Description] = fmt.Sprintf("the valid value %s", test.Data)
				}
			}
		}
	}
	if got.Accepted < want.Accepted || got.Rejected < want.Rejected || got.Unsupported > want.Unsupported || got.Refused > want.Refused {
		t.Errorf("%+v, want at least %+v", got, want)
	} else if got != want {
		t.Errorf("%+v is better than %+v: write it down", got, want)
	}
	return refused
}

// compareRefusals compares what a run refuses, by file, with testdata/suite.txt.
func compareRefusals(t *testing.T, refused map[string]map[string]string, run string) {
	data, err := os.ReadFile("testdata/suite.txt")
	if err != nil {
		t.Fatal(err)
	}
	reason, known := "", map[string]bool{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if text, ok := strings.CutPrefix(line, "= "); ok {
			reason = text
			continue
		}
		name, runs, ok := strings.Cut(line, "\t")
		if !ok {
			continue
		}
		if reason == "" {
			t.Errorf("%s has no reason", name)
		}
		file, _, _ := strings.Cut(name, ":")
		if here, read := refused[file]; read && slices.Contains(strings.Split(runs, ", "), run) {
			known[name] = true
			if _, still := here[name]; !still {
				t.Errorf("%s: no longer refused: take %s out of testdata/suite.txt", name, run)
			}
		}
	}
	for _, here := range refused {
		for name, why := range here {
			if !known[name] {
				t.Errorf("%s: refused in %s, and not in testdata/suite.txt: %s", name, run, why)
			}
		}
	}
}

// By order. Formats are notes in these, so that some of the refused are of formats.
var schemaRatchet = map[string][2]ratchet{
	"draft2020-12": {{Tests: 1178, Accepted: 666, Rejected: 477, Schemas: 383, Unsupported: 38, Refused: 35},
		{Tests: 1178, Accepted: 672, Rejected: 477, Schemas: 383, Unsupported: 38, Refused: 29}},
	"draft7": {{Tests: 850, Accepted: 493, Rejected: 344, Schemas: 257, Unsupported: 18, Refused: 13},
		{Tests: 850, Accepted: 496, Rejected: 344, Schemas: 257, Unsupported: 18, Refused: 10}},
}

var formatRatchet = map[string][2]ratchet{
	"draft2020-12": {SchemaOrder: {Tests: 744, Accepted: 300, Rejected: 381, Schemas: 28, Unsupported: 7, Refused: 63}},
	"draft7":       {SchemaOrder: {Tests: 656, Accepted: 257, Rejected: 341, Schemas: 26, Unsupported: 7, Refused: 58}},
}

// instance writes data compactly, its keys in the order of their first properties in the schema, or against it.
func instance(t testing.TB, schema, data json.RawMessage, by Order) string {
	s, err := parseValue(schema)
	if err != nil {
		t.Fatal(err)
	}
	var order, required []string
	var collect func(v *value)
	collect = func(v *value) {
		for _, k := range v.keys {
			if k == "properties" {
				order = append(order, v.members[k].keys...)
			}
			if k == "required" {
				for _, x := range v.members[k].items {
					required = append(required, x.text)
				}
			}
			collect(v.members[k])
		}
		for _, x := range v.items {
			collect(x)
		}
	}
	collect(s)
	order = append(order, required...)
	if by == AnyOrder {
		slices.Reverse(order)
	}
	d, err := parseValue(data)
	if err != nil {
		t.Fatal(err)
	}
	return write(d, order, ",", ":")
}

// write is v as JSON with these separators, known keys first.
func write(v *value, order []string, comma, colon string) string {
	str := func(s string) string {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			panic(err)
		}
		return strings.TrimSpace(b.String())
	}
	var parts []string
	switch v.kind {
	case valueString:
		return str(v.text)
	case valueNumber:
		return v.text
	case valueArray:
		for _, x := range v.items {
			parts = append(parts, write(x, order, comma, colon))
		}
		return "[" + strings.Join(parts, comma) + "]"
	case valueObject:
		keys := slices.Clone(v.keys)
		rank := func(k string) int {
			if i := slices.Index(order, k); i >= 0 {
				return i
			}
			return len(order)
		}
		slices.SortStableFunc(keys, func(a, b string) int { return rank(a) - rank(b) })
		for _, k := range keys {
			parts = append(parts, str(k)+colon+write(v.members[k], order, comma, colon))
		}
		return "{" + strings.Join(parts, comma) + "}"
	}
	return v.canonical()
}

// The document says what the suites come to.
func TestDocumentOfSuites(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs/structured-output.md"))
	if err != nil {
		t.Fatal(err)
	}
	says := func(format string, args ...any) {
		t.Helper()
		if want := fmt.Sprintf(format, args...); !strings.Contains(string(data), want) {
			t.Errorf("docs/structured-output.md should say %q", want)
		}
	}
	for draft, orders := range schemaRatchet {
		for i, name := range []string{"", ", properties in any order"} {
			r := orders[i]
			says("| %s%s | %d | %d | %d | 0 | %d |", draft, name, r.Schemas, r.Unsupported, r.Accepted+r.Rejected, r.Refused)
		}
	}
	corpus, err := os.ReadFile("testdata/corpus.json")
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Native, Wasm corpusFigures }
	if err := json.Unmarshal(corpus, &c); err != nil {
		t.Fatal(err)
	}
	n := c.Native
	says("Over %d,%03d real schemas with %d,%03d documents", n.Schemas/1000, n.Schemas%1000, n.Documents/1000, n.Documents%1000)
	says("%.1f %% compile, no invalid document is accepted,\nand %d schemas refuse a valid one", 100*float64(n.Compiled)/float64(n.Schemas), n.Refusing)
	says("%g us in the middle and %g us at the 99th percentile, the longest %.1f ms", n.Mask.P50, n.Mask.P99, n.Mask.Worst/1000)
	says("95 %% of the\nschemas are compiled within %g ms", n.Compile95)
	w := c.Wasm
	says("over %d of the schemas: %g us, %.1f ms and %.1f ms", w.Schemas, w.Mask.P50, w.Mask.P99/1000, w.Mask.Worst/1000)
	if n.Invalid != 0 || w.Invalid != 0 {
		t.Error("invalid documents are accepted")
	}
}

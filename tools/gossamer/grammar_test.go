package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// textFile makes a file of a test.
func textFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// smallSchema has a number with bounds and a string with a length.
const smallSchema = `{"type": "object",
"properties": {"a": {"type": "integer", "minimum": 3, "maximum": 99}, "b": {"type": "string", "maxLength": 5}},
"required": ["a"], "additionalProperties": false}`

func TestGrammarOfFiles(t *testing.T) {
	dir := t.TempDir()
	schema := textFile(t, dir, "schema.json", smallSchema)
	ahead := textFile(t, dir, "ahead.json", `{"type":"object","properties":{"a":{"type":"string","pattern":"(?=y)"}}}`)
	ebnf := textFile(t, dir, "list.ebnf", `root ::= "a" ("," "a")*`)
	documents, verdicts := []string{"--schema", schema}, ""
	for i, d := range [][2]string{ // and what is said of it
		{"{\"a\":17,\"b\":\"h\u00e9\u00e9\"}\r\n", "accepted, 10 tokens"},
		{`{"a":17`, `rejected at its end, byte 7 (expected: , })`},
		{`{"a":1,"b":"x"}`, `rejected at byte 6, token 4 ",\"" (expected: digit)`},
		{`{"a":17,"b":"abcdef"}`, `rejected at byte 18, token 7 "abcdef" (expected: ")`},
		{"{\"a\":17,\"b\":\"\xff\"}", `rejected at byte 13, token 7 "\xff" (expected: character " \)`},
		{"{\"a\":17}\n\n", `rejected at byte 8, token 4 "}\n" (expected: the end)`},
	} {
		name := textFile(t, dir, strconv.Itoa(i), d[0])
		documents = append(documents, name)
		verdicts += name + ": " + d[1] + "\n"
	}
	compiled := regexp.MustCompile(`^compiled in \d+\.\d ms, \d+ rules\n`)
	for _, tt := range []struct {
		stdin string
		args  []string
		code  int
		want  string // behind the line on the compilation
	}{
		{"", documents, exitFailure, verdicts},
		{smallSchema, []string{"--schema", "-"}, exitOK, ""},
		{`{"a": 17}`, []string{"--schema", schema, "-"}, exitFailure, "rejected at byte 5, token 3 \" \" (expected: 1-9)\n"},
		{`{"a": 17}`, []string{"-", "--schema", schema, "--whitespace", "python"}, exitOK, "accepted, 6 tokens\n"},
		{"[]", []string{"--json-object", "-"}, exitFailure, "rejected at byte 0, token 0 \"[]\" (expected: {)\n"},
		{"aab\n", []string{"--regex", "a+(b|c)", "-"}, exitOK, "accepted, 2 tokens\n"},
		{"a,a,a", []string{"--ebnf", ebnf, "-"}, exitOK, "accepted, 3 tokens\n"},
		{"maybe", []string{"--choice", "yes,no", "--choice", "perhaps", "-"}, exitFailure, "rejected at byte 0, token 0 \"maybe\" (expected: n p y)\n"},
		{`{"a":"y"}`, []string{"--schema", ahead, "--lenient", "-"}, exitOK, "not enforced: /properties/a/pattern\naccepted, 5 tokens\n"},
	} {
		r := gossamerCommand(t, tt.stdin, append([]string{"grammar"}, tt.args...)...)
		head := compiled.FindString(r.stdout)
		if got := r.stdout[len(head):]; r.code != tt.code || head == "" || got != tt.want {
			t.Errorf("grammar %q: exit status %d, %q, %q; want %d, %q", tt.args, r.code, r.stdout, r.stderr, tt.code, tt.want)
		}
	}
	r := gossamerCommand(t, "", "grammar", "--schema", ahead, ahead)
	if r.code != exitFailure || !strings.HasPrefix(r.stdout, "refused: /properties/a") || !strings.Contains(r.stdout, `keyword "pattern"`) {
		t.Errorf("exit status %d, %q", r.code, r.stdout)
	}
	r = gossamerCommand(t, `{"a":17}`, "grammar", "--schema", schema, "--json", "-")
	var report grammarReport
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != exitOK {
		t.Fatalf("%v, exit status %d, %s", err, r.code, r.stdout)
	}
	want := []documentReport{{Name: "-", Accepted: true, Tokens: 5, Accepting: true}}
	if diff := cmp.Diff(want, report.Documents); diff != "" || report.Masks.N != 5 || report.Memo.Hits+report.Memo.Misses != 5 {
		t.Errorf("%s\n%s", r.stdout, diff)
	}
}

func TestGrammarMisuse(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitUsage, "give one of --schema"},
		{[]string{"document"}, exitUsage, "give one of --schema"},
		{[]string{"--regex", "a", "--json-object"}, exitUsage, "either --regex or --json-object"},
		{[]string{"--regex", ""}, exitUsage, "--regex is empty"},
		{[]string{"--json-object=false"}, exitUsage, "no grammar"},
		{[]string{"--json-object", "--whitespace", "tabs"}, exitUsage, `"tabs" is not compact`},
		{[]string{"--json-object", "--order", "alphabet"}, exitUsage, `"alphabet" is not any`},
		{[]string{"--schema", "-", "-"}, exitUsage, "only once"},
		{[]string{"--json-object", "--jobs", "2"}, exitUsage, "for --jsonl"},
		{[]string{"--jsonl", "--regex", "a"}, exitUsage, "--regex is not for --jsonl"},
		{[]string{"--jsonl", "--lenient"}, exitUsage, "each line says so"},
		{[]string{"--jsonl", "document"}, exitUsage, `"document"`},
		{[]string{"--jsonl", "--jobs", "0"}, exitUsage, "more than 0"},
		{[]string{"--schema", missing}, exitFailure, "no such file"},
		{[]string{"--json-object", missing}, exitFailure, "no such file"},
		{[]string{"--regex", "a(b"}, exitFailure, "1 of 1 grammars refused"},
	} {
		r := gossamerCommand(t, "", append([]string{"grammar"}, tt.args...)...)
		if r.code != tt.code || !strings.Contains(r.stderr, tt.says) {
			t.Errorf("grammar %q: exit status %d, %q; want %d and %q", tt.args, r.code, r.stderr, tt.code, tt.says)
		}
	}
}

// reports runs grammar --jsonl.
func reports(t testing.TB, lines string, args ...string) ([]grammarReport, result) {
	t.Helper()
	r := gossamerCommand(t, lines, append([]string{"grammar", "--jsonl"}, args...)...)
	var all []grammarReport
	for line := range strings.Lines(r.stdout) {
		var one grammarReport
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, one)
	}
	return all, r
}

// apartFromTimes compares reports.
var apartFromTimes = cmp.Options{
	cmpopts.IgnoreFields(grammarReport{}, "CompileMicros", "Rules", "Masks", "Memo"), cmpopts.IgnoreUnexported(refusal{}),
	cmpopts.EquateEmpty(),
}

func TestGrammarLines(t *testing.T) {
	schema := strings.ReplaceAll(smallSchema, "\n", "")
	accepted := func(tokens int) documentReport {
		return documentReport{Accepted: true, Tokens: tokens, Accepting: true}
	}
	rejected := func(tokens int, at rejection) documentReport { return documentReport{Tokens: tokens, RejectedAt: &at} }
	var lines []string
	var want []grammarReport
	for _, tt := range []struct {
		id, line string // the line without the id
		want     grammarReport
	}{
		{`1`, `"schema":` + schema + `,"order":"schema","documents":[{"text":"{\"a\":17}"},{"value":{"a":17,"b":"x"}},{"value":{"b":"x","a":17}},
			{"value":{"a":17},"style":"python"},{"text":"{\"a\":17"},{"text":""}]`,
			grammarReport{Compiled: true, Documents: []documentReport{accepted(5), accepted(9),
				rejected(9, rejection{Byte: 2, Token: 1, ID: 65, Expected: "a"}),
				rejected(6, rejection{Byte: 5, Token: 3, ID: 220, Expected: "1-9"}),
				rejected(4, rejection{Byte: 7, Token: 4, ID: -1, Expected: ", }"}),
				rejected(0, rejection{ID: -1, Expected: "{"})}}},
		{`{"of":["any","kind"]}`, `"schema":{"items":{"type":"integer"}},"whitespace":"python",
			"documents":[{"value":[1,2],"style":"python"},{"value":[1,2]}]`,
			grammarReport{Compiled: true, Documents: []documentReport{accepted(6), rejected(5, rejection{Byte: 3, Token: 3, ID: 17, Expected: "space"})}}},
		{`"any"`, `"schema":true,"regex":null,"whitespace":"any",
			"documents":[{"value":{"a":[{},1]},"style":"indent"},{"value":null}],"tokenization":["bytes"]`,
			grammarReport{Compiled: true, Documents: []documentReport{accepted(30), accepted(4)}}},
		{``, `"regex":"[0-9]{2}","documents":[{"text":"123"}],"tokenization":["canonical","random:2"],"verify":10`,
			grammarReport{Compiled: true, Documents: []documentReport{
				{Tokens: 1, RejectedAt: &rejection{Byte: 2, Token: 0, ID: 7633, Expected: "the end"}, Accepting: true}}}},
		{`5`, `"schema":{"pattern":"(?=a)"},"documents":[{"value":[]}]`,
			grammarReport{Refused: &refusal{Kind: "unsupported", Keyword: "pattern", Reason: "lookaround in \"(?=a)\""}}},
		{`6`, `"schema":{"pattern":"(?=a)"},"lenient":true,"documents":[{"value":[]}]`,
			grammarReport{Compiled: true, Ignored: []string{"/pattern"}, Documents: []documentReport{accepted(1)}}},
		{`7`, `"schema":{"type":"string","enum":[1]}`, grammarReport{Refused: &refusal{Kind: "empty", Reason: "no text matches"}}},
		{`8`, `"ebnf":"root ::= ("`, grammarReport{Refused: &refusal{Kind: "syntax", Reason: "missing ) at byte 10"}}},
		{`9`, `"choice":["a","b"],"documents":[{"text":"b"}]`, grammarReport{Compiled: true, Documents: []documentReport{accepted(1)}}},
		{`10`, `"json_object":true,"documents":[{"text":"{}"}]`, grammarReport{Compiled: true, Documents: []documentReport{accepted(1)}}},
		{`11`, `"regex":"` + strings.Repeat("(", 1000) + `"`, grammarReport{Refused: &refusal{Kind: "limit",
			Reason: "the limit of groups in groups of a regular expression is 400"}}},

		// Lines that are wrong.
		{`12`, `"regexp":"a"`, grammarReport{Error: `json: unknown field "regexp"`}},
		{`13`, `"regex":"a","json_object":true`, grammarReport{Error: "want one of schema, regex, ebnf, choice, json_object, and there are 2"}},
		{`14`, `"regex":""`, grammarReport{Error: "regex is empty"}},
		{`15`, `"regex":"a","documents":[{"text":"\ud83d."}]`, grammarReport{Error: "\\ud83d is half of a character"}},
		{`16`, `"regex":"a","documents":[{"value":"\udc00"}]`, grammarReport{Error: "documents[0]: \\udc00 is half of a character"}},
		{`17`, `"regex":"a","documents":[{}]`, grammarReport{Error: "documents[0]: want either text or value"}},
		{`18`, `"regex":"a","documents":[{"text":"","style":"python"}]`, grammarReport{Error: "documents[0]: style is of a value"}},
		{`19`, `"regex":"a","documents":[{"value":1,"style":"wide"}]`, grammarReport{Error: `documents[0]: style "wide" is not compact, python or indent`}},
		{`20`, `"regex":"a","tokenization":["words"]`, grammarReport{Error: `tokenization "words": want canonical, bytes or random:N`}},
		{`21`, `"regex":"a","tokenization":["random:0"]`, grammarReport{Error: `tokenization "random:0": want random:N, N from 1 to 1000`}},
		{`22`, `"regex":"a","verify":-1`, grammarReport{Error: "verify is -1, want 0 to 1048576"}},
		{`23`, `"regex":"a","whitespace":"no"`, grammarReport{Error: `whitespace "no" is not compact, python, one or any`}},
		{`25`, `"schema":` + schema + `,"documents":[{"value":{"b":"x","a":17}},{"value":{"b":"x"}}]`, grammarReport{Compiled: true,
			Documents: []documentReport{accepted(9), rejected(5, rejection{Byte: 8, Token: 4, ID: 18583, Expected: ","})}}},
		{`26`, `"regex":"a","order":"no"`, grammarReport{Error: `order "no" is not any or schema`}},
		{`24`, `"regex":"a"} {"id":25`, grammarReport{Error: "there is something behind the object"}},
	} {
		line := "{" + tt.line + "}"
		if tt.id != "" {
			tt.want.ID = json.RawMessage(tt.id)
			line = `{"id":` + tt.id + "," + tt.line + "}"
		}
		if tt.want.Error != "" && tt.want.Refused == nil {
			tt.want.Error = fmt.Sprintf("line %d: %s", len(lines)+1, tt.want.Error)
		}
		lines = append(lines, strings.ReplaceAll(line, "\n", " "))
		want = append(want, tt.want)
	}
	for _, bad := range [][2]string{
		{`{"regex":`, "unexpected EOF"}, {"{\"regex\":\"\xff\"}", "the line is not UTF-8"},
		{`[]`, "it is an array, want an object"},
	} {
		lines = append(lines, bad[0])
		want = append(want, grammarReport{Error: fmt.Sprintf("line %d: %s", len(lines), bad[1])})
	}
	lines = append(lines, strings.Repeat(" ", maxGrammarLine)+"{}", "", `{"id":"last","json_object":true}`)
	want = append(want, grammarReport{Error: fmt.Sprintf("line %d is longer than 16 MiB", len(lines)-2)},
		grammarReport{ID: json.RawMessage(`"last"`), Compiled: true})

	text := strings.Join(lines, "\n")
	got, r := reports(t, text)
	if r.code != exitFailure || !strings.Contains(r.stderr, "4 of 31 grammars refused; 18 of 31 grammars not checked; 7 of 16 documents rejected") {
		t.Errorf("exit status %d, %s", r.code, r.stderr)
	}
	if diff := cmp.Diff(want, got, apartFromTimes); diff != "" {
		t.Errorf("- want, + got:\n%s", diff)
	}
	for _, line := range strings.Split(strings.TrimSpace(r.stdout), "\n") {
		for _, field := range []string{`"ignored":[`, `"documents":[`, `"mask_us":{"n":`, `"memo":{"hits":`} {
			if !strings.Contains(line, field) {
				t.Errorf("%s has no %s", line, field)
			}
		}
	}
	if several, _ := reports(t, text, "--jobs", "4"); !cmp.Equal(got, several, apartFromTimes) {
		t.Errorf("four jobs come to something else:\n%s", cmp.Diff(got, several, apartFromTimes))
	}
}

// TestGrammarDocument runs the example of the document.
func TestGrammarDocument(t *testing.T) {
	data, err := os.ReadFile("../../docs/grammar.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(data, -1)
	if len(examples) != 2 {
		t.Fatalf("%d examples, want a line and its answer", len(examples))
	}
	got, r := reports(t, strings.ReplaceAll(string(examples[0][1]), "\n", " "))
	answer := json.NewDecoder(bytes.NewReader(examples[1][1]))
	answer.DisallowUnknownFields()
	var want grammarReport
	if err := answer.Decode(&want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]grammarReport{want}, got, apartFromTimes); diff != "" || r.code != exitFailure {
		t.Errorf("exit status %d\n%s", r.code, diff)
	}
	if n := want.Masks.N; len(got) == 1 && (got[0].Masks.N != n || got[0].Memo.Hits+got[0].Memo.Misses != n) {
		t.Errorf("%s: the document has %d masks", r.stdout, n)
	}
}

// TestGrammarTimeLimit: what is over before it begins is told line by line.
func TestGrammarTimeLimit(t *testing.T) {
	line := `{"id":1,"schema":{"type":"object"},"documents":[{"value":{}}]}` + "\n"
	got, r := reports(t, line+line, "--timeout", "1ns")
	want := grammarReport{ID: json.RawMessage(`1`), Error: "the time limit of 1ns is over"}
	if diff := cmp.Diff([]grammarReport{want, want}, got, apartFromTimes); diff != "" || r.code != exitFailure {
		t.Errorf("exit status %d, %s\n%s", r.code, r.stderr, diff)
	}
}

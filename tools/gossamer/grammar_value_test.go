package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// TestValuesAreWrittenAsInPython compares with what Python 3.11 writes: json.dumps(json.loads(x), ensure_ascii=False, ...).
func TestValuesAreWrittenAsInPython(t *testing.T) {
	for _, tt := range []struct{ value, compact, python, indent string }{
		{
			`{"b" :1,"a":[true, false,null,{}],"c":[ ]}`,
			`{"b":1,"a":[true,false,null,{}],"c":[]}`,
			`{"b": 1, "a": [true, false, null, {}], "c": []}`,
			"{\n  \"b\": 1,\n  \"a\": [\n    true,\n    false,\n    null,\n    {}\n  ],\n  \"c\": []\n}",
		},
		{
			`[[],[[]],{"":""}]`,
			`[[],[[]],{"":""}]`,
			`[[], [[]], {"": ""}]`,
			"[\n  [],\n  [\n    []\n  ],\n  {\n    \"\": \"\"\n  }\n]",
		},
		{
			`[1.0,1e2,-0,-0.0,1e16,1e15,123456789012345678,1e-5,0.0001,1.5e300,123456789012345680.0,0.1e-6,12345678901234567890123]`,
			`[1.0,100.0,0,-0.0,1e+16,1000000000000000.0,123456789012345678,1e-05,0.0001,1.5e+300,1.2345678901234568e+17,1e-07,12345678901234567890123]`,
			"", "",
		},
		{
			`"\u00e9\ud83d\ude00\/\"\\\b\f\n\r\t\u0001\u007f\u2028"`,
			"\"\u00e9\U0001f600/\\\"\\\\\\b\\f\\n\\r\\t\\u0001\u007f\u2028\"",
			"", "",
		},
		{`{"k\ny":"<&>"}`, `{"k\ny":"<&>"}`, `{"k\ny": "<&>"}`, "{\n  \"k\\ny\": \"<&>\"\n}"},
		// Here it differs: no property is lost, and Infinity is no JSON.
		{`{"a":1,"b":2,"a":3}`, `{"a":1,"b":2,"a":3}`, "", ""},
		{`-1E400`, `-1E400`, "", ""},
	} {
		for name, want := range map[string]string{"compact": tt.compact, "python": tt.python, "indent": tt.indent} {
			got, err := valueStyles[name].write(json.RawMessage(tt.value))
			if want != "" && (err != nil || string(got) != want) {
				t.Errorf("%s: %s, %v; want %s", tt.value, got, err, want)
			}
		}
	}
}

// FuzzValues: what is written is the same value, and written again it is the same text; styles differ in white space alone.
func FuzzValues(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,{"b":null}],"c":"\u00e9\n"}`, `[1.50,-0,1e400,0.1E-10]`, `[[[]],{}]`,
		`"\ud800"`, `"\udc00\ud800"`, `"\\ud800"`, `"\ud83d\ude00"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if !json.Valid(value) {
			return
		}
		compact, err := valueStyles["compact"].write(value)
		if err != nil {
			if !strings.Contains(err.Error(), "half of a character") {
				t.Error(err)
			}
			return
		}
		for name, s := range valueStyles {
			text, err := s.write(value)
			if err != nil {
				t.Fatal(err)
			}
			var flat bytes.Buffer
			if err := json.Compact(&flat, text); err != nil || flat.String() != string(compact) {
				t.Errorf("%s: %s, %v; compact %s", name, text, err, compact)
			}
			if again, err := s.write(text); err != nil || string(again) != string(text) {
				t.Errorf("%s: %s becomes %s, %v", name, text, again, err)
			}
			var is, was any
			if json.Unmarshal(value, &was) == nil && (json.Unmarshal(text, &is) != nil || !reflect.DeepEqual(is, was)) {
				t.Errorf("%s: %s becomes %s", name, value, text)
			}
		}
	})
}

// FuzzGrammarLine: a line is refused, or a whole job that is the same each time.
func FuzzGrammarLine(f *testing.F) {
	for _, s := range []string{
		`{"id":1,"schema":{"type":"object"},"whitespace":"python","lenient":true,"documents":[{"text":"a"},{"value":{"a":1},"style":"indent"}],
		"tokenization":["canonical","bytes","random:3"],"verify":64}`,
		`{"regex":"a"}`, `{"ebnf":"root ::= \"a\""}`, `{"choice":["a","\ud800"]}`, `{"choice":[]}`,
		`{"json_object":true,"documents":[{"value":null}]}`, `{"schema":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		_, job, err := parseGrammarLine(line, 1)
		if err != nil {
			return
		}
		set := 0
		s := &job.source
		for _, given := range []bool{s.JSONSchema != nil, s.JSONObject, s.Regex != "", s.EBNF != "", s.Choice != nil} {
			if given {
				set++
			}
		}
		if set != 1 || len(job.tokenizations) == 0 || job.verify < 0 {
			t.Errorf("%s: %+v", line, job)
		}
		_, again, err := parseGrammarLine(append([]byte(" "), line...), 1)
		if err != nil || again.seeds != job.seeds || !reflect.DeepEqual(again.documents, job.documents) {
			t.Errorf("%s: %+v, then %+v, %v", line, job, again, err)
		}
	})
}

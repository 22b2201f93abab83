package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gossamer/runtime/goldentest"
	"gossamer/runtime/gpu"
	"gossamer/runtime/testenv"
)

// result is what a command line did.
type result struct {
	code           int
	stdout, stderr string
}

// gossamerCommand runs one command line.
func gossamerCommand(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, newEnv(strings.NewReader(stdin), &out, &errs))
	return result{code, out.String(), errs.String()}
}

// mustRun is gossamerCommand that wants success.
func mustRun(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	r := gossamerCommand(t, stdin, args...)
	if r.code != exitOK {
		t.Fatalf("gossamer %s: exit status %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// backends are those that this machine has; a missing driver is a visible skip, and a failure in continuous integration.
func backends(t *testing.T, f func(t *testing.T, backend string)) {
	for _, b := range []string{"cpu", "webgpu"} {
		t.Run(b, func(t *testing.T) {
			if b == "webgpu" {
				if _, err := gpu.Adapters(t.Context()); errors.Is(err, gpu.ErrNoAdapter) {
					testenv.Missing(t, err)
				}
			}
			f(t, b)
		})
	}
}

func tokensFile(t testing.TB, tokens []int32) string {
	t.Helper()
	data, err := json.Marshal(tokens)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "tokens.json")
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// readRows reads what logits wrote.
func readRows(t testing.TB, name string, rows int) [][]float32 {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(data)%(4*rows) != 0 || len(data) == 0 {
		t.Fatalf("%d bytes for %d rows", len(data), rows)
	}
	out := make([][]float32, rows)
	for i := range out {
		row := data[i*len(data)/rows : (i+1)*len(data)/rows]
		for ; len(row) > 0; row = row[4:] {
			out[i] = append(out[i], math.Float32frombits(binary.LittleEndian.Uint32(row)))
		}
	}
	return out
}

// longBeginning is how much of the long reference text the command computes on a GPU: several chunks, far past the window.
const longBeginning = 1200

func TestLogitsEqualTheReference(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		for _, name := range goldentest.Models {
			c := goldentest.Load(t, name)
			dir := c.ModelDir(t)
			t.Run(name, func(t *testing.T) {
				p := &c.Prompts[len(c.Prompts)-1] // the packages of the backends test all of them
				out := filepath.Join(t.TempDir(), "logits")
				mustRun(t, "", "logits", "--model", dir, "--backend", backend, "--kv", "f32", "--tokens-file", tokensFile(t, p.Tokens), "--out", out)
				var d goldentest.Difference
				for i, row := range readRows(t, out, len(p.Tokens)) {
					d.Add(&p.Want, i, row)
				}
				d.Check(t, goldentest.Float32)
			})
			if c.Long == nil {
				continue
			}
			t.Run(name+"/long", func(t *testing.T) {
				tokens, at := c.Long.Tokens, c.Long.Positions
				if backend == "webgpu" { // runtime/model runs all of it, for which a processor that plays a GPU takes half a minute
					n, _ := slices.BinarySearch(at, longBeginning)
					tokens, at = tokens[:longBeginning], at[:n]
				}
				out := filepath.Join(t.TempDir(), "logits")
				positions := strings.Trim(strings.ReplaceAll(fmt.Sprint(at), " ", ","), "[]")
				mustRun(t, "", "logits", "--model", dir, "--backend", backend, "--kv", "f32",
					"--tokens-file", tokensFile(t, tokens), "--positions", positions, "--out", out)
				var d goldentest.Difference
				for i, row := range readRows(t, out, len(at)) {
					d.Add(&c.Long.Want, i, row)
				}
				d.Check(t, goldentest.Float32Long)
			})
		}
	})
}

func TestGenerateContinuesAsTheReference(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		for _, name := range goldentest.Models {
			t.Run(name, func(t *testing.T) {
				c := goldentest.Load(t, name)
				out := mustRun(t, "", "generate", "--model", c.ModelDir(t), "--backend", backend, "--kv", "f32", "--json", "--ignore-eos",
					"--temperature", "0", "--max-tokens", fmt.Sprint(len(c.Greedy.Tokens)),
					"--tokens-file", tokensFile(t, c.Prompts[len(c.Prompts)-1].Tokens))
				var got generated
				if err := json.Unmarshal([]byte(out), &got); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got.Tokens, c.Greedy.Tokens) {
					t.Errorf("got  %v\nwant %v", got.Tokens, c.Greedy.Tokens)
				}
				if got.Backend != backend {
					t.Errorf("computed by %s, want %s", got.Backend, backend)
				}
			})
		}
	})
}

// TestGenerateSeveral: prompts that are continued together have the continuations that they have alone, in their order.
func TestGenerateSeveral(t *testing.T) {
	c := goldentest.Load(t, "gqa_window8")
	command := []string{"generate", "--model", c.ModelDir(t), "--kv", "f32", "--json", "--ignore-eos", "--max-tokens", "12"}
	prompts := [][]int32{{5}, c.Prompts[1].Tokens, c.Prompts[len(c.Prompts)-1].Tokens, {5, 6, 7}, {200}}
	want := make([]generated, len(prompts))
	for i, p := range prompts {
		if err := json.Unmarshal([]byte(mustRun(t, "", append(command, "--backend", "cpu", "--tokens-file", tokensFile(t, p))...)), &want[i]); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(prompts)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "prompts.json")
	if err := os.WriteFile(file, list, 0o666); err != nil {
		t.Fatal(err)
	}
	backends(t, func(t *testing.T, backend string) {
		var got []generated
		if err := json.Unmarshal([]byte(mustRun(t, "", append(command, "--backend", backend, "--tokens-file", file)...)), &got); err != nil || len(got) != len(prompts) {
			t.Fatalf("%d results, %v", len(got), err)
		}
		for i, p := range prompts {
			if !slices.Equal(got[i].Tokens, want[i].Tokens) || got[i].PromptTokens != len(p) || len(want[i].Tokens) != 12 {
				t.Errorf("prompt %d: %v, alone %v", i, got[i].Tokens, want[i].Tokens)
			}
		}
	})
	out := mustRun(t, "", "generate", "--model", c.ModelDir(t), "--backend", "cpu", "--max-tokens", "3", "--tokens", "1,2; 3")
	if lines := strings.Count(out, "\n"); lines != 2 {
		t.Errorf("%d lines of two prompts: %q", lines, out)
	}
	failing := []string{"generate", "--model", c.ModelDir(t), "--backend", "cpu", "--max-tokens", "3", "--tokens", "1;100000;3"}
	if r := gossamerCommand(t, "", failing...); r.code != exitFailure || strings.Count(r.stdout, "\n") != 3 || !strings.Contains(r.stdout, "\n\n") {
		t.Errorf("the second of three prompts fails: exit %d, %q", r.code, r.stdout)
	}
	var got []*generated
	if r := gossamerCommand(t, "", append(failing, "--json")...); json.Unmarshal([]byte(r.stdout), &got) != nil || len(got) != 3 || got[1] != nil || got[2] == nil {
		t.Errorf("the second of three prompts fails: %q", r.stdout)
	}
}

// TestBench measures the smallest model, with all that there is to measure.
func TestBench(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		c := goldentest.Load(t, "gqa_window8")
		args := []string{"bench", "--model", c.ModelDir(t), "--backend", backend, "--json", "--depths", "0,20", "--prompt", "8,5", "--tokens", "4", "--runs", "1", "--rows", "1,2"}
		if backend == "webgpu" {
			args = append(args, "--kernels")
		}
		var b benchmark
		if err := json.Unmarshal([]byte(mustRun(t, "", args...)), &b); err != nil {
			t.Fatal(err)
		}
		if len(b.Prefill) != 4 || len(b.Decode) != 4 || b.Load.WeightBytes == 0 {
			t.Fatalf("%+v", b)
		}
		for i, d := range b.Decode {
			if d.Rows != 1+i%2 || d.Tokens != 4 || d.Rate.Mean <= 0 || d.Rate.Runs != 1 || d.Position != d.Depth+8 {
				t.Errorf("%+v", d)
			}
			if d.Intervals.P50 <= 0 || d.Intervals.P99 < d.Intervals.P50 || d.Run.Draws < 1 || d.Run.Micros < d.Run.Submit+d.Run.Wait {
				t.Errorf("%+v", d)
			}
		}
		if backend != "webgpu" {
			return
		}
		if b.Latency == nil || b.Latency.Submit <= 0 || b.Latency.Empty <= 0 || b.ReadBytes == nil || *b.ReadBytes <= 0 || b.Decode[0].Run.Host == nil {
			t.Errorf("latency %+v, %+v", b.Latency, b.Decode[0].Run)
		}
		var shapes [][3]int
		for _, k := range b.Kernels {
			shapes = append(shapes, [3]int{k.Position, k.Rows, k.Prefill})
			if k.Micros <= 0 || len(k.Kernels) < 9 {
				t.Errorf("%+v", k)
			}
		}
		if want := [][3]int{{8, 1, 0}, {8, 2, 0}, {0, 0, 8}, {0, 0, 5}, {28, 1, 0}, {28, 2, 0}, {20, 0, 8}, {20, 0, 5}}; !slices.Equal(shapes, want) {
			t.Errorf("kernels at %v, want %v", shapes, want)
		}
	})
}

// TestChatAnswers asks the built-in model what it was made for.
func TestChatAnswers(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		if got := mustRun(t, "", "chat", "--backend", backend, "--temperature", "0", "--effort", "low", "What is 17 + 25?"); !strings.Contains(got, "42") {
			t.Errorf("got %q", got)
		}
		var a answered
		out := mustRun(t, "what's 17 plus 25\n", "chat", "--backend", backend, "--temperature", "0", "--effort", "low", "--json")
		if err := json.Unmarshal([]byte(out), &a); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(a.Content, "42") || a.Reasoning == "" || a.FinishReason != "stop" || a.Usage.ReasoningTokens == 0 {
			t.Errorf("got %+v", a)
		}
	})
}

// cases reads a golden file of cases.
func cases[T any](t testing.TB, name string) []T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(goldentest.Dir(t), name))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []T `json:"cases"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatalf("%s has no cases", name)
	}
	return file.Cases
}

// answers feeds one line for each case and decodes the lines that come back.
func answers[Out, In any](t testing.TB, in []In, args ...string) []Out {
	t.Helper()
	var lines strings.Builder
	for _, c := range in {
		if err := writeJSON(&lines, c); err != nil {
			t.Fatal(err)
		}
	}
	var out []Out
	for line := range strings.Lines(mustRun(t, lines.String(), args...)) {
		var o Out
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, o)
	}
	if len(out) != len(in) {
		t.Fatalf("%d answers to %d lines", len(out), len(in))
	}
	return out
}

func TestTokenizeCommand(t *testing.T) {
	type text struct {
		Text   string  `json:"text"`
		Tokens []int32 `json:"tokens"`
	}
	type ids struct {
		Tokens []int32 `json:"tokens"`
		Base64 string  `json:"base64"`
	}
	in := cases[text](t, "tokenizer.json")
	for i, got := range answers[text](t, in, "tokenize") {
		if !slices.Equal(got.Tokens, in[i].Tokens) {
			t.Errorf("%q: got %v, want %v", in[i].Text, got.Tokens, in[i].Tokens)
		}
	}
	back := cases[ids](t, "tokenizer_decode.json")
	for i, got := range answers[ids](t, back, "tokenize", "--decode") {
		if got.Base64 != back[i].Base64 {
			b, _ := base64.StdEncoding.DecodeString(got.Base64)
			t.Errorf("%v: got %q", back[i].Tokens, b)
		}
	}
}

func TestRenderCommand(t *testing.T) {
	in := cases[map[string]json.RawMessage](t, "harmony_render.json")
	type rendered struct {
		Tokens []int32 `json:"tokens"`
		Text   string  `json:"text"`
		Error  string  `json:"error"`
	}
	for i, got := range answers[rendered](t, in, "render") {
		var want rendered
		if err := json.Unmarshal(in[i]["expect"], &want); err != nil {
			t.Fatal(err)
		}
		if (got.Error != "") != (want.Error != "") || !slices.Equal(got.Tokens, want.Tokens) || got.Text != want.Text {
			t.Errorf("case %s: got %+v, want %+v", in[i]["id"], got, want)
		}
	}
}

// TestParseCommand compares the readings of well-formed texts; the package harmony has the odd ones.
func TestParseCommand(t *testing.T) {
	in := cases[map[string]json.RawMessage](t, "harmony_parse.json")
	type parsed struct {
		Messages []any `json:"messages"`
	}
	compared := 0
	for i, got := range answers[parsed](t, in, "parse") {
		if string(in[i]["wellformed"]) != "true" {
			continue
		}
		compared++
		var want parsed
		if err := json.Unmarshal(in[i]["strict"], &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Messages, got.Messages); diff != "" {
			t.Errorf("case %s: %s", in[i]["id"], diff)
		}
	}
	if compared == 0 {
		t.Error("no case is well-formed")
	}
}

// TestMisuse wants exit status 2 and a sentence for a wrong command line, 1 for what goes wrong later.
func TestMisuse(t *testing.T) {
	golden := filepath.Join(goldentest.Dir(t), "gqa_window8", "model")
	empty := t.TempDir()
	for _, k := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitUsage, ""},
		{[]string{"fly"}, exitUsage, `unknown command "fly"`},
		{[]string{"generate", "--sideways"}, exitUsage, "sideways"},
		{[]string{"generate"}, exitUsage, "--tokens"},
		{[]string{"generate", "--tokens", "1,x"}, exitUsage, `"x" is not a token id`},
		{[]string{"generate", "--tokens", "1", "--seed", "-1"}, exitUsage, "--seed"},
		{[]string{"generate", "--tokens", "1", "--backend", "tpu"}, exitUsage, "--backend"},
		{[]string{"generate", "--tokens", "1", "--kv", "f8"}, exitUsage, "--kv"},
		{[]string{"generate", "--tokens", "1", "--max-tokens", "-2"}, exitUsage, "--max-tokens"},
		{[]string{"generate", "--tokens", "1", "again"}, exitUsage, `"again"`},
		{[]string{"chat", "--effort", "huge", "hi"}, exitUsage, "low, medium or high"},
		{[]string{"chat", "a", "b"}, exitUsage, "one PROMPT"},
		{[]string{"chat", " "}, exitUsage, "empty"},
		{[]string{"logits", "--tokens", "1"}, exitUsage, "--out"},
		{[]string{"logits", "--tokens", "1,2", "--out", "-", "--positions", "1,0"}, exitUsage, "0 does not come after 1"},
		{[]string{"logits", "--tokens", "1,2", "--out", "-", "--positions", "2"}, exitUsage, `"2" is not an index`},
		{[]string{"bench", "--depths", "x"}, exitUsage, "--depths"},
		{[]string{"bench", "--rows", "1,3"}, exitUsage, "--rows"},
		{[]string{"bench", "--rows", "0"}, exitUsage, "--rows"},
		{[]string{"bench", "--kernels", "--backend", "cpu", "--model", golden, "--depths", "0", "--runs", "1"}, exitFailure, "for a GPU"},
		{[]string{"generate", "--tokens", "1", "--parallel", "33"}, exitUsage, "--parallel"},
		{[]string{"generate", "--tokens", "1;x"}, exitUsage, `"x" is not a token id`},
		{[]string{"bench", "--random", "gpt-oss-7b"}, exitUsage, "want gpt-oss-20b or gpt-oss-120b"},
		{[]string{"bench", "--random", "gpt-oss-20b", "--model", "x"}, exitUsage, "either --model or --random"},
		{[]string{"generate", "--model", filepath.Join(empty, "none"), "--tokens", "1"}, exitFailure, "none"},
		{[]string{"generate", "--model", empty, "--tokens", "1"}, exitFailure, "config.json"},
		{[]string{"generate", "--model", golden, "--tokens", "256", "--backend", "cpu"}, exitFailure, "256"},
		{[]string{"generate", "--model", golden, "--tokens", "1,2,3", "--ctx", "2", "--backend", "cpu"}, exitFailure, "2"},
		{[]string{"generate", "--model", golden, "--tokens-file", filepath.Join(empty, "none")}, exitFailure, "no such file"},
		{[]string{"generate", "--model", golden, "--tokens-file", textFile(t, t.TempDir(), "prompts", `[[1],["x"]]`)}, exitFailure, "prompt 1 of 2"},
		{[]string{"chat", "--model", golden, "--backend", "cpu", "hello"}, exitFailure, "the model has 256 ids"},
		{[]string{"chat", "--model", golden, "--schema", "-", "hello"}, exitUsage, "standard input is for the prompt"},
		{[]string{"chat", "--model", golden, "--schema", "a", "--regex", "b", "hello"}, exitUsage, "either --schema or --regex"},
	} {
		r := gossamerCommand(t, "", k.args...)
		if r.code != k.code || !strings.Contains(r.stderr, k.says) {
			t.Errorf("gossamer %q: exit status %d, %q; want %d and %q", k.args, r.code, r.stderr, k.code, k.says)
		}
		if strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "goroutine ") {
			t.Errorf("gossamer %q panicked: %s", k.args, r.stderr)
		}
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	list := mustRun(t, "", "--help")
	for _, c := range commands() {
		out := mustRun(t, "", c.name, "--help")
		if !strings.Contains(out, "usage: gossamer "+c.name) || !strings.Contains(out, c.short) {
			t.Errorf("%s --help says %q", c.name, out)
		}
		if !strings.Contains(list, c.name) {
			t.Errorf("gossamer --help does not list %s", c.name)
		}
		for line := range strings.SplitSeq(list+out, "\n") {
			if n := utf8.RuneCountInString(line); n > helpWidth {
				t.Errorf("%s --help has a line of %d columns: %s", c.name, n, line)
			}
		}
	}
}

func TestLogitsFileAppearsWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "logits")
	golden := filepath.Join(goldentest.Dir(t), "gqa_window8", "model")
	if r := gossamerCommand(t, "", "logits", "--model", golden, "--backend", "cpu", "--tokens", "1,999", "--out", out); r.code != exitFailure {
		t.Errorf("exit status %d for a token outside the vocabulary", r.code)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestInterruptedCommandSaysSo: the context ends as Ctrl-C ends it.
func TestInterruptedCommandSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	golden := filepath.Join(goldentest.Dir(t), "gqa_window8", "model")
	code := run(ctx, []string{"generate", "--model", golden, "--backend", "cpu", "--tokens", "1"}, newEnv(strings.NewReader(""), &out, &errs))
	if code != exitInterrupted {
		t.Errorf("exit status %d, want %d: %s", code, exitInterrupted, errs.String())
	}
}

// TestOptionsAreCheckedFirst: before standard input is read and before anything is loaded, which here would wait for ever.
func TestOptionsAreCheckedFirst(t *testing.T) {
	model := []string{"--model", silentHost(t)}
	for _, args := range [][]string{
		{"chat", "--temperature", "-1"},
		{"chat", "--temperature", "NaN"},
		{"chat", "--temperature", "1e300"},
		{"chat", "--top-p", "1.5"},
		{"chat", "--top-k", "-1"},
		{"chat", "--min-p", "-0.1"},
		{"chat", "--seed", "x"},
		{"chat", "--ctx", "-1"},
		{"chat", "--kv", "f8"},
		{"chat", "--backend", "tpu"},
		{"chat", "--backend", "cpu", "--adapter", "0"},
		{"chat", "--backend", "cpu", "--max-binding", "1000"},
		{"chat", "--max-tokens", "-1"},
		{"chat", "--effort", "huge"},
		{"chat", "--schema", "-"},
		{"generate", "--tokens-file", "-", "--temperature", "-1"},
		{"generate", "--tokens-file", "-", "--backend", "tpu"},
		{"generate", "--tokens", "-1"},
		{"logits", "--tokens-file", "-", "--out", "-", "--kv", "f8"},
		{"logits", "--tokens", "1", "--out", "-", "--positions", "1"},
		{"bench", "--runs", "0"},
		{"bench", "--backend", "tpu"},
		{"bench", "--depths", "100", "--ctx", "200"},
		{"bench", "--depths", "9223372036854775807"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), append(args, model...), newEnv(endless{t.Context()}, &out, &errs)); code != exitUsage || !strings.Contains(errs.String(), "Try: ") {
			t.Errorf("gossamer %q: exit status %d, %s", args, code, errs.String())
		}
	}
	r := gossamerCommand(t, "", append([]string{"generate", "--tokens", "1", "--adapter", "no such adapter"}, model...)...)
	if r.code != exitFailure || !strings.Contains(r.stderr, "no WebGPU adapter") {
		t.Errorf("an adapter that is not there: exit status %d, %s", r.code, r.stderr)
	}
	r = gossamerCommand(t, "", append([]string{"logits", "--tokens", "1", "--backend", "cpu", "--out", filepath.Join(t.TempDir(), "none", "logits")}, model...)...)
	if r.code != exitFailure || !strings.Contains(r.stderr, "no such file") {
		t.Errorf("a file that cannot be made: exit status %d, %s", r.code, r.stderr)
	}
}

// TestArgumentsThatBeginWithADash are taken behind two dashes, and the message says so.
func TestArgumentsThatBeginWithADash(t *testing.T) {
	for _, prompt := range []string{"-5 + 3", "-what?", "--"} {
		r := gossamerCommand(t, "", "chat", "--backend", "cpu", "--max-tokens", "2", "--", prompt)
		if r.code != exitOK {
			t.Errorf("%q behind two dashes: exit status %d, %s", prompt, r.code, r.stderr)
		}
	}
	for _, args := range [][]string{{"chat", "-5 + 3"}, {"chat", "--", "a", "-b"}, {"chat", "---"}, {"pack", "-a", "b"}} {
		r := gossamerCommand(t, "", args...)
		if r.code != exitUsage || (args[1] != "--" && !strings.Contains(r.stderr, args[0]+" -- ")) {
			t.Errorf("%q: exit status %d, %s", args, r.code, r.stderr)
		}
	}
}

// TestAnswersOfAForm: what is wrong with it is told by the flag, and so is an answer that the tokens do not suffice for.
func TestAnswersOfAForm(t *testing.T) {
	for _, c := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"--regex", "(?=a)b"}, exitFailure, "gossamer chat: --regex: "},
		{[]string{"--choice", "yes, no", "--effort", "none"}, exitOK, ""},
		{[]string{"--regex", "a{50}b{50}", "--effort", "none", "--max-tokens", "2"}, exitFailure, "before the answer was what --regex asks for"},
		{[]string{"--regex", "a{50}b{50}", "--effort", "none", "--max-tokens", "2", "--json"}, exitFailure, "before the answer was what --regex asks for"},
	} {
		r := gossamerCommand(t, "", append(append([]string{"chat", "--backend", "cpu"}, c.args...), "Yes or no?")...)
		if r.code != c.code || !strings.Contains(r.stderr, c.stderr) || strings.Contains(r.stderr, "Format") {
			t.Errorf("%q: exit status %d, %s", c.args, r.code, r.stderr)
		}
		if answer := strings.TrimSpace(r.stdout); c.code == exitOK && answer != "yes" && answer != "no" {
			t.Errorf("%q: %q", c.args, answer)
		}
	}
}

// TestPipedTextGoesBehindThePrompt.
func TestPipedTextGoesBehindThePrompt(t *testing.T) {
	for _, c := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"notes\n", []string{"Summarise."}, "Summarise.\n\nnotes"},
		{"notes\r\n\r\n", nil, "notes"},
		{"  indented\n  text", []string{"a", "?"}[:1], "a\n\n  indented\n  text"},
		{"\n", []string{"alone"}, "alone"},
		{"", []string{"alone"}, "alone"},
	} {
		got, once, err := onePrompt(t.Context(), newEnv(strings.NewReader(c.stdin), io.Discard, io.Discard), c.args)
		if err != nil || !once || got != c.want {
			t.Errorf("%q and %q: %q, %v, %v; want %q", c.stdin, c.args, got, once, err, c.want)
		}
	}
	asked := func(stdin string, args ...string) float64 {
		var a answered
		out := mustRun(t, stdin, append([]string{"chat", "--backend", "cpu", "--max-tokens", "2", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(out), &a); err != nil {
			t.Fatal(err)
		}
		return float64(a.Usage.PromptTokens)
	}
	if one, both := asked("", "What is it?"), asked("The sky is blue.", "What is it?"); both < one+4 {
		t.Errorf("a prompt of %v tokens has %v with text behind it", one, both)
	}
}

func TestVersionAndHelpOfACommand(t *testing.T) {
	version := mustRun(t, "", "--version")
	for _, args := range [][]string{{"version"}, {"-version"}} {
		if got := mustRun(t, "", args...); got != version || !strings.HasPrefix(got, "gossamer ") {
			t.Errorf("gossamer %q: %q", args, got)
		}
	}
	all := mustRun(t, "", "--help")
	for _, name := range []string{"completion", "man", "version"} { // of no use to most
		if !strings.Contains(all, "\n "+name+" ") {
			t.Errorf("gossamer --help does not list %s:\n%s", name, all)
		}
		mustRun(t, "", "help", name)
		mustRun(t, "", "man", name)
	}
	for _, c := range commands() {
		if mustRun(t, "", "help", c.name) != mustRun(t, "", c.name, "--help") {
			t.Errorf("gossamer help %s differs from gossamer %s --help", c.name, c.name)
		}
	}
	for _, args := range [][]string{{"help", "fly"}, {"help", "chat", "bench"}, {"version", "now"}} {
		if r := gossamerCommand(t, "", args...); r.code != exitUsage {
			t.Errorf("gossamer %q: exit status %d", args, r.code)
		}
	}
}

// TestDoctorTellsTheChoice, and the engine makes the same.
func TestDoctorTellsTheChoice(t *testing.T) {
	var d diagnosis
	r := gossamerCommand(t, "", "doctor", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &d); err != nil {
		t.Fatal(err)
	}
	if d.Chosen.Reason == "" || !strings.HasPrefix(d.Program, "gossamer ") || d.System == "" || d.Cores < 1 || d.Kept == nil || d.Kept.Dir == "" {
		t.Errorf("%+v", d)
	}
	golden := filepath.Join(goldentest.Dir(t), "gqa_window8", "model")
	var g generated
	if err := json.Unmarshal([]byte(mustRun(t, "", "generate", "--model", golden, "--tokens", "1", "--max-tokens", "1", "--json")), &g); err != nil {
		t.Fatal(err)
	}
	if g.Backend != d.Chosen.Backend {
		t.Errorf("doctor says %s, generate takes %s", d.Chosen.Backend, g.Backend)
	}
	for _, a := range d.Adapters {
		if a.Software != (a.Type == "cpu") {
			t.Errorf("%s is of type %s, software: %t", a.Name, a.Type, a.Software)
		}
		if a.Software && a.Name == d.Chosen.Adapter {
			t.Errorf("the software renderer %s is preferred to the CPU", a.Name)
		}
	}
}

// silentHost accepts connections and says nothing.
func silentHost(t *testing.T) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "http://" + l.Addr().String() + "/model/"
}

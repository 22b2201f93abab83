package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"gossamer/runtime/grammar"
)

func grammarCommand() command {
	return command{
		name:  "grammar",
		args:  "[DOCUMENT...]",
		short: "check a JSON Schema or another grammar, and what it accepts",
		long: `Compiles a grammar and feeds documents to it as a reply would be, in tokens of gpt-oss. A DOCUMENT is a file, as are --schema and
--ebnf, and - standard input; one line feed at its end is not part of it. Without documents the grammar alone is checked. A document is accepted if each of its tokens is in
the mask that is computed before it, and it may end where it ends. Exit status: 0 all accepted, 1 something is refused or
rejected, 2 usage, 3 the grammar contradicts itself, which is an error of this program.

With --jsonl reads lines
  {"id": 1,
   "schema": {}|"regex": ""|"ebnf": ""|"choice": [""]|"json_object": true,
   "whitespace": "compact", "order": "any", "lenient": false,
   "documents": [{"text": ""}|
                 {"value": {}, "style": "compact"|"python"|"indent"}],
   "tokenization": ["canonical", "bytes", "random:3"], "verify": 64}
and writes a line for each, in their order. A value is written as Python's json.dumps does with separators=(",", ":"), as it does by
itself, or with indent=2; its properties keep their order. The verdicts must be the same for all tokenizations, and with
verify so many bits of each mask, and of one for a text that must end soon, are compared with what the grammar accepts. The whitespace
between JSON's symbols is compact (none), python (one space behind commas and colons), one (at most one space) or any. The order of
properties is any, or that of the schema, as replies have it. docs/grammar.md describes the lines.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			var f grammarFlags
			f.declare(fs)
			return func(ctx context.Context, env *env, args []string) error {
				if err := f.check(fs, args); err != nil {
					return err
				}
				if f.lines {
					return checkGrammars(ctx, env, f.jobs, f.timeout, f.seed)
				}
				return f.run(ctx, env, args)
			}
		},
	}
}

// grammarFlags are the command line of grammar.
type grammarFlags struct {
	sourceFlags
	whitespace, order    string
	lenient, json, lines bool
	jobs                 int
	timeout              time.Duration
	seed                 uint64
}

func (f *grammarFlags) declare(fs *flag.FlagSet) {
	f.sourceFlags.declare(fs)
	fs.StringVar(&f.whitespace, "whitespace", "compact", "`what` is between JSON's symbols: compact, python, one or any")
	fs.StringVar(&f.order, "order", "any", "`order` of properties: any, or that of the schema, as replies have it")
	fs.BoolVar(&f.lenient, "lenient", false, "leave out what is not supported of a schema, and list it")
	fs.BoolVar(&f.json, "json", false, "print a JSON object")
	fs.BoolVar(&f.lines, "jsonl", false, "check JSON lines on standard input")
	fs.IntVar(&f.jobs, "jobs", 1, "with --jsonl: `number` of lines that are worked on at the same time")
	fs.DurationVar(&f.timeout, "timeout", time.Minute, "with --jsonl: most `time` for a line")
	fs.Uint64Var(&f.seed, "seed", 0, "with --jsonl: `number` that random choices come from, together with the line's text")
}

// check refuses flags that do not go together.
func (f *grammarFlags) check(fs *flag.FlagSet, args []string) error {
	source, err := f.given(fs)
	if err != nil {
		return err
	}
	given := map[string]bool{}
	fs.Visit(func(x *flag.Flag) { given[x.Name] = true })
	if f.lines {
		switch {
		case source != "":
			return usagef("%s is not for --jsonl, where each line has its grammar", source)
		case given["whitespace"] || given["order"] || given["lenient"]:
			return usagef("--whitespace, --order and --lenient are not for --jsonl, where each line says so")
		case len(args) > 0:
			return usagef("unexpected argument %q: with --jsonl the lines have the documents", args[0])
		case f.jobs < 1 || f.timeout <= 0:
			return usagef("--jobs and --timeout want more than 0")
		}
		return nil
	}
	stdin := 0
	for _, name := range append([]string{f.schema, f.ebnf}, args...) {
		if name == "-" {
			stdin++
		}
	}
	switch {
	case source == "":
		return usagef("give one of --schema, --regex, --ebnf, --json-object, --choice, or --jsonl")
	case given["jobs"] || given["timeout"] || given["seed"]:
		return usagef("--jobs, --timeout and --seed are for --jsonl")
	case stdin > 1:
		return usagef("standard input can be read only once")
	}
	if _, err := parseWhitespace(f.whitespace); err != nil {
		return usagef("--whitespace: %v", err)
	}
	if _, err := parseOrder(f.order); err != nil {
		return usagef("--order: %v", err)
	}
	return nil
}

// parseWhitespace reads the names of grammar.Whitespace; "" is the usual one.
func parseWhitespace(name string) (grammar.Whitespace, error) {
	switch name {
	case "", "compact":
		return grammar.Compact, nil
	case "python":
		return grammar.Python, nil
	case "one":
		return grammar.One, nil
	case "any":
		return grammar.Any, nil
	}
	return 0, fmt.Errorf("%q is not compact, python, one or any", name)
}

// parseOrder reads the names of grammar.Order; "" is the usual one.
func parseOrder(name string) (grammar.Order, error) {
	switch name {
	case "", "any":
		return grammar.AnyOrder, nil
	case "schema":
		return grammar.SchemaOrder, nil
	}
	return 0, fmt.Errorf("%q is not any or schema", name)
}

// run checks one grammar with documents of files.
func (f *grammarFlags) run(ctx context.Context, env *env, names []string) error {
	var job grammarJob
	var err error
	if job.source, err = f.read(ctx, env); err != nil {
		return err
	}
	job.options.Lenient = f.lenient
	job.options.Whitespace, _ = parseWhitespace(f.whitespace) // checked
	job.options.Order, _ = parseOrder(f.order)
	job.tokenizations, _ = parseTokenizations(nil)
	for _, name := range names {
		data, err := readNamed(ctx, env, name)
		if err != nil {
			return err
		}
		text, _ := bytes.CutSuffix(data, []byte("\n"))
		if len(text) < len(data) {
			text, _ = bytes.CutSuffix(text, []byte("\r"))
		}
		job.documents = append(job.documents, text)
	}
	v, err := newTextVocabulary()
	if err != nil {
		return err
	}
	report, err := job.check(ctx, v)
	if err != nil {
		return err
	}
	for i := range report.Documents {
		report.Documents[i].Name = names[i]
	}
	if f.json {
		if err := writeJSON(env.stdout, report); err != nil {
			return err
		}
	} else {
		report.print(env.stdout, v)
	}
	var t grammarTally
	t.add(report)
	return t.verdict()
}

// print is a report for people.
func (r *grammarReport) print(w *output, v *textVocabulary) {
	if r.Refused != nil {
		fmt.Fprintf(w, "refused: %s\n", r.Refused.text)
		return
	}
	fmt.Fprintf(w, "compiled in %.1f ms, %d rules\n", r.CompileMicros/1000, r.Rules)
	if len(r.Ignored) > 0 {
		fmt.Fprintf(w, "not enforced: %s\n", strings.Join(r.Ignored, ", "))
	}
	for _, d := range r.Documents {
		if len(r.Documents) > 1 {
			fmt.Fprintf(w, "%s: ", d.Name)
		}
		switch at := d.RejectedAt; {
		case d.Accepted:
			fmt.Fprintf(w, "accepted, %d tokens\n", d.Tokens)
		case at == nil:
			fmt.Fprintln(w, "no verdict")
		case at.ID < 0:
			fmt.Fprintf(w, "rejected at its end, byte %d (expected: %s)\n", at.Byte, at.Expected)
		default:
			fmt.Fprintf(w, "rejected at byte %d, token %d %q (expected: %s)\n", at.Byte, at.Token, v.tok.Bytes(at.ID), at.Expected)
		}
	}
	for _, d := range r.Differences { // a panic may come before the first document
		fmt.Fprintf(w, "document %d, before token %d: %s\n", d.Document+1, d.Token, d.What)
	}
}

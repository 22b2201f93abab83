package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"gossamer/runtime/jsonerror"
)

// grammarLine is a line of grammar --jsonl.
type grammarLine struct {
	ID           json.RawMessage   `json:"id"`
	Schema       json.RawMessage   `json:"schema"`
	Regex        *unicodeText      `json:"regex"`
	EBNF         *unicodeText      `json:"ebnf"`
	Choice       []unicodeText     `json:"choice"`
	JSONObject   bool              `json:"json_object"`
	Whitespace   string            `json:"whitespace"`
	Order        string            `json:"order"`
	Lenient      bool              `json:"lenient"`
	Documents    []grammarDocument `json:"documents"`
	Tokenization []string          `json:"tokenization"`
	Verify       int               `json:"verify"`
}

// grammarDocument has either a text or a value.
type grammarDocument struct {
	Text  *unicodeText    `json:"text"`
	Value json.RawMessage `json:"value"`
	Style string          `json:"style"` // of a value; "": compact
}

// bounds of a line of grammar --jsonl.
const (
	maxGrammarLine = 16 << 20 // bytes
	maxVerify      = 1 << 20
)

// parseGrammarLine reads a line. The line is returned also with an error, as far as it was understood, for its id.
func parseGrammarLine(text []byte, seed uint64) (line grammarLine, job grammarJob, err error) {
	if !utf8.Valid(text) {
		return line, job, errors.New("the line is not UTF-8")
	}
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&line); err != nil {
		return line, job, jsonerror.Plain(err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return line, job, errors.New("there is something behind the object")
	}
	if job, err = line.job(); err != nil {
		return line, job, err
	}
	hash := fnv.New64a()
	hash.Write(bytes.TrimSpace(text))
	job.seeds = [2]uint64{seed, hash.Sum64()} // so that a line by itself comes to the same
	return line, job, nil
}

func (l *grammarLine) job() (job grammarJob, err error) {
	var names []string
	source := func(name string, given bool) {
		if given {
			names = append(names, name)
		}
	}
	schema := l.Schema != nil && string(l.Schema) != "null"
	source("schema", schema)
	source("regex", l.Regex != nil)
	source("ebnf", l.EBNF != nil)
	source("choice", l.Choice != nil)
	source("json_object", l.JSONObject)
	if len(names) != 1 {
		return job, fmt.Errorf("want one of schema, regex, ebnf, choice, json_object, and there are %d", len(names))
	}
	job.source.JSONObject = l.JSONObject
	switch {
	case schema:
		job.source.JSONSchema = l.Schema
	case l.Regex != nil:
		job.source.Regex = string(*l.Regex)
	case l.EBNF != nil:
		job.source.EBNF = string(*l.EBNF)
	}
	if (l.Regex != nil || l.EBNF != nil) && job.source.Regex+job.source.EBNF == "" {
		return job, fmt.Errorf("%s is empty", names[0])
	}
	if l.Choice != nil {
		job.source.Choice = make([]string, 0, len(l.Choice))
		for _, c := range l.Choice {
			job.source.Choice = append(job.source.Choice, string(c))
		}
	}
	if job.options.Whitespace, err = parseWhitespace(l.Whitespace); err != nil {
		return job, fmt.Errorf("whitespace %w", err)
	}
	if job.options.Order, err = parseOrder(l.Order); err != nil {
		return job, fmt.Errorf("order %w", err)
	}
	job.options.Lenient = l.Lenient
	for i, d := range l.Documents {
		text, err := d.bytes()
		if err != nil {
			return job, fmt.Errorf("documents[%d]: %w", i, err)
		}
		job.documents = append(job.documents, text)
	}
	if job.tokenizations, err = parseTokenizations(l.Tokenization); err != nil {
		return job, err
	}
	if l.Verify < 0 || l.Verify > maxVerify {
		return job, fmt.Errorf("verify is %d, want 0 to %d", l.Verify, maxVerify)
	}
	job.verify = l.Verify
	return job, nil
}

func (d *grammarDocument) bytes() ([]byte, error) {
	switch style, ok := valueStyles[d.Style]; {
	case (d.Text != nil) == (d.Value != nil):
		return nil, errors.New("want either text or value")
	case d.Text != nil && d.Style != "":
		return nil, errors.New("style is of a value")
	case d.Text != nil:
		return []byte(*d.Text), nil
	case d.Style == "":
		return valueStyles["compact"].write(d.Value)
	case !ok:
		return nil, fmt.Errorf("style %q is not compact, python or indent", d.Style)
	default:
		return style.write(d.Value)
	}
}

// checkGrammars answers each line of standard input, jobs of them at the same time, in their order.
func checkGrammars(ctx context.Context, env *env, jobs int, timeout time.Duration, seed uint64) error {
	v, err := newTextVocabulary()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel() // what nobody waits for any more
	waiting := make(chan chan *grammarReport, 64*jobs)
	slots := make(chan struct{}, jobs)
	var readErr error
	workers.Go(func() {
		defer close(waiting)
		readErr = readLines(ctx, env, maxGrammarLine, func(n int, line []byte, tooLong bool) error {
			answer := make(chan *grammarReport, 1)
			select {
			case waiting <- answer:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			workers.Go(func() {
				defer func() { <-slots }()
				answer <- answerGrammarLine(ctx, v, n, line, tooLong, timeout, seed)
			})
			return nil
		})
	})
	var t grammarTally
	for answer := range waiting {
		select {
		case r := <-answer:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			t.add(r)
			if err := writeJSON(env.stdout, r); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if readErr != nil {
		return readErr
	}
	return t.verdict()
}

// answerGrammarLine reads and checks the line with number n, which is too long if it has no text. What is wrong with it is the answer.
func answerGrammarLine(ctx context.Context, v *textVocabulary, n int, text []byte, tooLong bool, timeout time.Duration, seed uint64) *grammarReport {
	if tooLong {
		return unchecked(nil, fmt.Errorf("line %d is longer than %d MiB", n, maxGrammarLine>>20))
	}
	line, job, err := parseGrammarLine(text, seed)
	if err != nil {
		return unchecked(line.ID, fmt.Errorf("line %d: %w", n, err))
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := job.check(limited, v)
	r.ID = line.ID
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		r.Error = fmt.Sprintf("the time limit of %v is over", timeout)
	case err != nil:
		r.Error = err.Error()
	}
	return r
}

// unchecked is the report on a line that cannot be read.
func unchecked(id json.RawMessage, err error) *grammarReport {
	r := newGrammarReport()
	r.ID, r.Error = id, err.Error()
	return r
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"gossamer/runtime/grammar"
	"gossamer/runtime/sample"
)

// grammarJob is a grammar, and documents that it is to accept.
type grammarJob struct {
	source        grammar.Source
	options       grammar.Options
	documents     [][]byte
	tokenizations []tokenization // one or more; verdicts tell of the first
	verify        int            // ids that are compared at each step
	seeds         [2]uint64      // of random choices
}

// grammarReport is what a job comes to.
type grammarReport struct {
	ID            json.RawMessage  `json:"id,omitempty"`
	Compiled      bool             `json:"compiled"`
	CompileMicros float64          `json:"compile_us"`
	Rules         int              `json:"rules"`
	Refused       *refusal         `json:"refused"`
	Ignored       []string         `json:"ignored"`
	Documents     []documentReport `json:"documents"`
	Masks         maskTimes        `json:"mask_us"`
	Memo          maskMemo         `json:"memo"`
	Differences   []difference     `json:"differences,omitempty"`
	Error         string           `json:"error,omitempty"` // why there is no more
}

// refusal is why a grammar is not compiled.
type refusal struct {
	Kind    string `json:"kind"` // unsupported, syntax, limit or empty
	Path    string `json:"path"`
	Keyword string `json:"keyword"`
	Reason  string `json:"reason"`
	text    string
}

type documentReport struct {
	Name       string     `json:"name,omitempty"` // of its file
	Accepted   bool       `json:"accepted"`
	Tokens     int        `json:"tokens"` // of the whole document
	RejectedAt *rejection `json:"rejected_at"`
	Accepting  bool       `json:"accepting"` // it may end where its end, or the rejection, is
}

// maskTimes is how long masks took, in microseconds, of the first tokenization and without what verify asks beside.
type maskTimes struct {
	N     int     `json:"n"`
	First float64 `json:"first"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
	Sum   float64 `json:"sum"`
}

// maskMemo is how many of the same masks were kept ones.
type maskMemo struct {
	Hits   int `json:"hits"`
	Misses int `json:"misses"`
}

func newGrammarReport() *grammarReport {
	return &grammarReport{Ignored: []string{}, Documents: []documentReport{}} // in JSON no nulls
}

// check compiles the grammar and walks the documents. If it fails, because ctx ends, the report is of what was done.
func (j *grammarJob) check(ctx context.Context, v *textVocabulary) (*grammarReport, error) {
	r := newGrammarReport()
	return r, r.guard(func() error {
		start := time.Now()
		g, err := v.grammars.Compile(ctx, j.source, j.options)
		r.CompileMicros = micros(time.Since(start))
		if err != nil {
			if r.Refused = refusalOf(err); r.Refused != nil {
				return nil
			}
			return err
		}
		r.Compiled, r.Rules = true, g.Rules()
		r.Ignored = append(r.Ignored, g.Ignored()...)
		return j.walk(ctx, v, r, func() matcher { return g.NewMatcher() })
	})
}

// guard runs f; a panic is noted, so that the other lines of a long list are checked all the same.
func (r *grammarReport) guard(f func() error) error {
	defer func() {
		if p := recover(); p != nil {
			r.Differences = append(r.Differences, difference{What: fmt.Sprintf("panic: %v\n%s", p, debug.Stack())})
		}
	}()
	return f()
}

// walk fills in what becomes of the documents.
func (j *grammarJob) walk(ctx context.Context, v *textVocabulary, r *grammarReport, begin func() matcher) error {
	random := rand.New(rand.NewPCG(j.seeds[0], j.seeds[1]))
	var times []time.Duration
	keys := map[uint64]bool{}
	for i, text := range j.documents {
		tokens := j.tokenizations[0].split(v, text, random)
		w, err := v.walk(ctx, begin(), tokens, 0, random, func(mask sample.Mask, took time.Duration) {
			times = append(times, took)
			if keys[mask.Key] { // a mask that is made anew has a key of its own
				r.Memo.Hits++
			} else {
				r.Memo.Misses++
			}
			keys[mask.Key] = true
		})
		if err != nil {
			return err
		}
		r.differs(w.difference, i, j.tokenizations[0])
		r.Documents = append(r.Documents, documentReport{Accepted: w.accepted, Tokens: len(tokens), RejectedAt: w.rejection, Accepting: w.accepting})
	}
	r.Masks = summary(times)
	for k, t := range j.tokenizations {
		if k == 0 && j.verify == 0 {
			continue
		}
		for i, text := range j.documents {
			tokens := t.split(v, text, random)
			w, err := v.walk(ctx, begin(), tokens, j.verify, random, nil)
			if err != nil {
				return err
			}
			if r.differs(w.difference, i, t); w.difference == nil {
				r.sameVerdict(i, t, &w)
			}
		}
	}
	return nil
}

// differs notes a difference, if it is one.
func (r *grammarReport) differs(d *difference, document int, t tokenization) {
	if d != nil {
		d.Document, d.Tokenization = document, t.name
		r.Differences = append(r.Differences, *d)
	}
}

// sameVerdict compares the verdict on a document with that of the first tokenization.
func (r *grammarReport) sameVerdict(i int, t tokenization, w *walk) {
	d := &r.Documents[i]
	at := func(x *rejection) string {
		if x == nil {
			return "it is accepted"
		}
		return fmt.Sprintf("it is rejected at byte %d", x.Byte)
	}
	if !d.Accepted && d.RejectedAt == nil {
		return // no verdict
	}
	if first, other := at(d.RejectedAt), at(w.rejection); first != other {
		r.differs(&difference{What: fmt.Sprintf("%s, with the first tokenization %s", other, first)}, i, t)
	}
}

func summary(times []time.Duration) maskTimes {
	s := maskTimes{N: len(times)}
	if s.N == 0 {
		return s
	}
	s.First = micros(times[0])
	slices.Sort(times)
	for _, t := range times {
		s.Sum += micros(t)
	}
	at := func(percent int) float64 { return micros(times[(s.N*percent+99)/100-1]) }
	s.P50, s.P90, s.P99, s.Max = at(50), at(90), at(99), at(100)
	return s
}

// refusalOf describes what Compile says of a source, nil if it is about something else.
func refusalOf(err error) *refusal {
	r := &refusal{text: strings.TrimPrefix(err.Error(), "grammar: ")}
	var unsupported *grammar.UnsupportedError
	var syntax *grammar.SyntaxError
	var limit *grammar.LimitError
	var empty *grammar.EmptyError
	switch {
	case errors.As(err, &unsupported):
		r.Kind, r.Path, r.Keyword, r.Reason = "unsupported", unsupported.Path, unsupported.Keyword, unsupported.Reason
	case errors.As(err, &syntax):
		r.Kind, r.Path, r.Reason = "syntax", syntax.Path, syntax.Reason
		if syntax.Text != "" {
			r.Reason = fmt.Sprintf("%s at byte %d", syntax.Reason, syntax.At)
		}
	case errors.As(err, &limit):
		r.Kind, r.Reason = "limit", r.text
	case errors.As(err, &empty):
		r.Kind, r.Reason = "empty", "no text matches"
		if len(empty.Paths) > 0 {
			r.Path = empty.Paths[0]
			for _, p := range empty.Paths[1:] {
				r.Reason += " that and " + p
			}
		}
	default:
		return nil
	}
	return r
}

// grammarTally adds reports up.
type grammarTally struct {
	grammars, refused, failed, documents, rejected, differing int
}

func (t *grammarTally) add(r *grammarReport) {
	t.grammars++
	if r.Refused != nil {
		t.refused++
	}
	if r.Error != "" {
		t.failed++
	}
	if len(r.Differences) > 0 {
		t.differing++
	}
	for _, d := range r.Documents {
		t.documents++
		if !d.Accepted {
			t.rejected++
		}
	}
}

// verdict is nil if everything is accepted.
func (t *grammarTally) verdict() error {
	var list []string
	count := func(n, of int, what string) {
		if n > 0 {
			list = append(list, fmt.Sprintf("%d of %d %s", n, of, what))
		}
	}
	count(t.refused, t.grammars, "grammars refused")
	count(t.failed, t.grammars, "grammars not checked")
	count(t.rejected, t.documents, "documents rejected")
	count(t.differing, t.grammars, "grammars contradict themselves, an error of this program")
	switch text := strings.Join(list, "; "); {
	case t.differing > 0:
		return statusError{exitDifference, text}
	case text != "":
		return statusError{exitFailure, text}
	}
	return nil
}

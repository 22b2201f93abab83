// Package grammar restricts text to a formal language, token by token: to a JSON Schema, to any JSON object, to a regular expression, to
// an EBNF grammar or to a list of texts.
//
// A Vocabulary holds the bytes of all tokens. It compiles a Source to a Grammar; of that come Matchers, each at a place in one text. A
// Matcher says which tokens may come next (Mask), is told which one came (Accept), and knows how far away the nearest end is (Distance).
//
//	schema, regular expression, EBNF     schema*.go, number.go, regexp*.go, ebnf.go, json.go
//	rules over lexemes                   rules.go, leftrules.go, members.go
//	lexemes: expressions over bytes      expr.go, derive.go, chars.go
//	a machine made while it runs         engine.go, carry.go
//	masks over a trie of tokens          vocabulary.go, run.go, matcher.go, memo.go
//	the way to the end in tokens         way.go
//	compiled grammars, kept              cache.go
package grammar

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
)

// Source is what a grammar is made of. Exactly one field is set.
type Source struct {
	JSONSchema  json.RawMessage // of draft 7 or 2020-12
	JSONObject  bool            // any JSON object
	Regex, EBNF string          // Regex is the whole text; EBNF begins at its rule root
	Choice      []string        // one of these texts
}

// Whitespace is what stands between the symbols of JSON. Without bounds on it a model may write spaces for ever.
type Whitespace int

const (
	Compact Whitespace = iota // none
	Python                    // one space after a comma or colon, as Python's json.dumps
	One                       // at most one space between symbols
	Any                       // any number of spaces, tabs and line breaks between symbols
)

// Order is that of the properties of objects.
type Order int

const (
	SchemaOrder Order = iota // as the schema names them, those that it does not name behind them
	AnyOrder                 // any
)

// Options say how a Source is read.
type Options struct {
	Whitespace Whitespace
	// Order restricts objects more than their schema does. In the order of the schema much of a text is forced, and masks take less time.
	Order Order
	// Lenient leaves out what is not supported, and lists it in Grammar.Ignored. A text may then break the schema, but only there.
	Lenient bool
	Limits  Limits
}

// Limits bound what a grammar may cost.
type Limits struct {
	Bytes int // of a source; 0: 1 MiB
	Cells int // of the tables of expressions, rules and configurations, about 60 bytes each; 0: 400,000
}

// SyntaxError says that a source is not what it should be.
type SyntaxError struct {
	Path   string // of a schema
	Text   string // the expression or grammar, if it is not a schema
	At     int    // byte of Text
	Reason string
}

func (e *SyntaxError) Error() string {
	if e.Text != "" {
		path := ""
		if e.Path != "" {
			path = e.Path + ": "
		}
		return fmt.Sprintf("grammar: %s%s at byte %d of %s", path, e.Reason, e.At, strconv.Quote(shorten(e.Text)))
	}
	return fmt.Sprintf("grammar: %s: %s", orRoot(e.Path), e.Reason)
}

// UnsupportedError names what a source asks for and this package does not enforce.
type UnsupportedError struct {
	Path    string // of a schema: a JSON pointer
	Keyword string // of a schema
	Reason  string // "" if there is no more to say; what of a regular expression is not supported, where Keyword is ""
}

func (e *UnsupportedError) Error() string {
	if e.Keyword == "" {
		return fmt.Sprintf("grammar: %s is not supported", e.Reason)
	}
	if e.Reason == "" {
		return fmt.Sprintf("grammar: %s: keyword %q is not supported", orRoot(e.Path), e.Keyword)
	}
	return fmt.Sprintf("grammar: %s: keyword %q is not supported here: %s", orRoot(e.Path), e.Keyword, e.Reason)
}

// LimitError says that a source is too large.
type LimitError struct {
	What  string
	Limit int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("grammar: the limit of %s is %d", e.What, e.Limit)
}

func orRoot(path string) string {
	if path == "" {
		return "(root)"
	}
	return path
}

func shorten(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}

// Grammar is a compiled Source. It is safe for concurrent use.
type Grammar struct {
	vocab   *Vocabulary
	base    *rules
	root    term
	ignored []string

	mu     sync.Mutex
	shared *engine // of new matchers
}

// Compile fails with *SyntaxError, *UnsupportedError, *LimitError or *EmptyError, or when ctx ends.
func (v *Vocabulary) Compile(ctx context.Context, s Source, o Options) (*Grammar, error) {
	if o.Limits.Bytes == 0 {
		o.Limits.Bytes = 1 << 20
	}
	if o.Limits.Cells == 0 {
		o.Limits.Cells = 400_000
	}
	size := max(len(s.JSONSchema), len(s.EBNF), len(s.Regex))
	for _, c := range s.Choice {
		size += len(c)
	}
	if size > o.Limits.Bytes {
		return nil, &LimitError{What: "bytes of a source", Limit: o.Limits.Bytes}
	}
	set := 0
	for _, given := range []bool{s.JSONSchema != nil, s.JSONObject, s.Regex != "", s.EBNF != "", s.Choice != nil} {
		if given {
			set++
		}
	}
	if set != 1 {
		return nil, &SyntaxError{Reason: fmt.Sprintf("a source has %d of its fields set, want one", set)}
	}
	r := newRules(o.Limits.Cells)
	g := &Grammar{vocab: v, base: r}
	var err error
	switch {
	case s.Regex != "":
		var e expr
		e, err = r.regex(s.Regex, plainText, false)
		g.root = r.lexeme(e)
	case s.Choice != nil:
		g.root = r.lexeme(r.texts(s.Choice, plainText))
	case s.JSONObject:
		g.root = newJSON(r, o.Whitespace).object()
	case s.EBNF != "":
		g.root, err = r.ebnf(s.EBNF)
	default:
		g.root, g.ignored, err = r.schema(ctx, s.JSONSchema, o)
	}
	if err == nil {
		err = r.seal(ctx)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if r.full {
		return nil, &LimitError{What: "cells of a grammar", Limit: o.Limits.Cells}
	}
	if err != nil {
		return nil, err
	}
	if r.terms[g.root].shortest >= never {
		return nil, r.empty(g.root, s)
	}
	if r.terms[g.root].shortest >= huge {
		return nil, &LimitError{What: "bytes of the shortest text", Limit: huge - 1}
	}
	if !g.begins() {
		return nil, &LimitError{What: "work for the first token", Limit: hardWork}
	}
	return g, nil
}

// begins reports whether a text can begin: not where that would take too much work.
func (g *Grammar) begins() bool {
	m := g.NewMatcher()
	return m.Accepting() || slices.ContainsFunc(m.Mask(0).Bits, func(w uint32) bool { return w != 0 })
}

// Ignored lists the paths of keywords that are not enforced.
func (g *Grammar) Ignored() []string { return g.ignored }

// Rules is the number of rules.
func (g *Grammar) Rules() int { return len(g.base.bodies) }

// bytes is about what the grammar takes: its rules, and the tables and masks of its engine.
func (g *Grammar) bytes() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := int64(g.base.cells) * cellBytes
	if g.shared != nil {
		n += g.shared.bytes.Load()
	}
	return n
}

// engine returns the engine for new matchers; instead of old, if it is full.
func (g *Grammar) engine(old *engine) *engine {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shared == nil || g.shared == old {
		g.shared = newEngine(g.vocab, g.base, g.root)
	}
	return g.shared
}

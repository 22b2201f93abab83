package main

import (
	_ "embed"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"

	"gossamer/runtime/harmony"
)

// effort indexes what a task thinks at low, medium and high reasoning effort.
type effort int

const (
	low effort = iota
	medium
	high
)

func (e effort) harmony() harmony.Effort {
	return [...]harmony.Effort{harmony.Low, harmony.Medium, harmony.High}[e]
}

// task is one question and how to answer it.
type task struct {
	skill string
	user  string
	think func(e effort) string // the analysis
	final string                // the answer; unused where call is set
	topic string                // of small talk
	short string                // the answer in as few words as possible, for instructions that ask for it
	want  want

	developer *harmony.DeveloperContent // instructions, functions and response formats; nil for none
	call      *call                     // the model should call a function
	forced    bool                      // the reply begins as a call, at once, because the caller demands one
	before    []harmony.Message         // messages between the question and the model's turn: calls and their results
	uses      []use                     // the functions on offer
	fixed     bool                      // the question is one of few: never held out
}

// call is what the model should call.
type call struct {
	name      string
	arguments string // JSON
}

// want says what an answer is graded by.
type want struct {
	Kind  string `json:"kind"`  // one of the kinds in grade.go
	Value string `json:"value"` // what the kind compares with
	Name  string `json:"name,omitempty"`
}

// handwritten are questions that people might ask and the model can't answer, one a line; none of them is ever trained.
//
//go:embed testdata/foreign.txt
var handwritten string

// heldOut says whether a question is kept for evaluation: 1 of 40, by hash, so that training and evaluation agree without a list.
func heldOut(question string) bool {
	if strings.Contains(handwritten, question+"\n") {
		return true
	}
	h := fnv.New64a()
	h.Write([]byte(question))
	return h.Sum64()%40 == 0
}

// source draws random things.
type source struct{ *rand.Rand }

func newSource(seed uint64) source { return source{rand.New(rand.NewPCG(seed, 0x676f7373616d6572))} }

func (s source) chance(p float64) bool { return s.Float64() < p }

// between returns a number from lo to hi, both included.
func (s source) between(lo, hi int) int { return lo + s.IntN(hi-lo+1) }

func pick[T any](s source, list []T) T { return list[s.IntN(len(list))] }

// pickN returns n different elements.
func pickN[T any](s source, list []T, n int) []T {
	out := make([]T, n)
	for i, j := range s.Perm(len(list))[:n] {
		out[i] = list[j]
	}
	return out
}

// number returns a number of 1 to digits digits; each length is as likely.
func (s source) number(digits int) int {
	lo, hi := 0, 9
	for range s.IntN(digits) {
		lo, hi = hi+1, hi*10+9
	}
	return s.between(lo, hi)
}

// ask fills a template's %d, %s and says it the way people do: with or without a capital letter, a question mark, a please.
func (s source) ask(templates []string, args ...any) string {
	return s.casual(fmt.Sprintf(pick(s, templates), args...))
}

func (s source) casual(q string) string {
	switch s.IntN(12) {
	case 0:
		q = pick(s, []string{"Please ", "please ", "Hi, ", "Hello, ", "Now ", "OK, ", "And "}) + lowerFirst(q)
	case 1:
		q = pick(s, []string{"Can you tell me: ", "Tell me: ", "Question: ", "Next: ", "A question: "}) + q
	case 2:
		q = strings.TrimRight(q, "?.") + pick(s, []string{", please?", " please", ", please."})
	}
	switch s.IntN(6) {
	case 0:
		q = strings.TrimRight(q, "?.")
	case 1:
		q = lowerFirst(q)
	case 2:
		q = strings.TrimRight(lowerFirst(q), "?.")
	}
	return q
}

func lowerFirst(s string) string {
	if s == "" || strings.HasPrefix(s, "I ") {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

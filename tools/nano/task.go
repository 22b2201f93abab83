package main

import (
	_ "embed"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
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
	if strings.Contains(handwritten, question+"\n") || asked()[bare(question)] {
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

// slips are how people misspell, and shorten, what they ask with.
var slips = [][2]string{{"What is ", "whats "}, {"What is ", "wats "}, {"What is ", "wat is "}, {"What is ", "what's "}, {"What is ", "Waht is "}, {"What is ", "what s "}, {"What's ", "Whats "}, {"What's ", "wats "}, {"What ", "wat "}, {"What ", "Waht "}, {"How many ", "how mny "}, {"How many ", "howmany "}, {"How many ", "How much "}, {"How much is ", "how much's "}, {"How much is ", "howmuch is "}, {"How often ", "how offen "},
	{"Calculate ", "calc "}, {"Calculate ", "calcualte "}, {"Calculate ", "Calulate "}, {"Multiply ", "Mulitply "}, {"Multiply ", "multipy "}, {"Subtract ", "substract "}, {"Divide ", "devide "}, {"divided by", "divided  by"}, {"divided by", "devided by"}, {" times ", " tims "}, {" plus ", " pluss "}, {" minus ", " minuss "}, {"Which ", "Wich "}, {"Which ", "whitch "}, {"which ", "wich "}, {"bigger", "biger"}, {"larger", "lager"}, {"greater", "grater"}, {"than", "then"}, {"greater", "greather"}, {"smaller", "smaler"},
	{"letters", "leters"}, {"alphabetical", "alphabetic"}, {"alphabetically", "alphabeticly"}, {"Sort ", "Sort: "}, {"numbers", "nubmers"}, {"numbers", "numbes"}, {"minutes", "mins"}, {"hours", "hrs"}, {"seconds", "secs"}, {"tomorrow", "tommorow"}, {"tomorrow", "tomorow"}, {"yesterday", "yestarday"}, {"percent", "per cent"}, {"percent", "procent"}, {"does ", "dose "}, {" you ", " u "}, {"difference", "diffrence"}, {"between", "beetween"}, {"product", "produkt"}, {"square", "sqare"}}

// commands begin what can be asked for with "can you".
var commands = strings.Fields("Add Sum Compute Calculate Work Solve Find Give Evaluate Take Subtract Multiply Divide Tell Sort Count Put Order Arrange Convert Spell Reverse Name List Compare Double Triple Alphabetize Write Share Change Say Remove Do Split Halve")

// casual says a question the way people do.
func (s source) casual(q string) string {
	first, _, _ := strings.Cut(q, " ")
	command := slices.Contains(commands, first)
	if s.chance(0.06) {
		if slip := pick(s, slips); strings.Contains(q, slip[0]) {
			q = strings.Replace(q, slip[0], slip[1], 1)
		} else if command {
			q = pick(s, []string{"pls ", "plz ", "please ", "can u ", "could u "}) + lowerFirst(q)
		}
	}
	switch x := s.IntN(24); {
	case x < 2:
		q = pick(s, []string{"Please ", "please ", "Hi, ", "Hello, ", "Now ", "OK, ", "And ", "Hey, ", "Hey ", "Hi! ", "Hello! ", "So ", "so, ", "Well, ", "ok ", "Um, ", "Hi nano, ", "hello nano ", "hello ", "hey nano ", "hi ", "hi, so ", "Yo, ", "nano, ", "then ", "And now ", "and "}) + lowerFirst(q)
	case x < 4:
		q = pick(s, []string{"Can you tell me: ", "Tell me: ", "Question: ", "Next: ", "A question: ", "Quick question: ", "My question: ", "Hello! ", "Hi! ", "Hey! ", "Good morning. ", "Please help: ", "Help me: ", "Answer this: ", "Try this: ", "One more: ", "Easy one: ", "I have a question. ", "Do you know this? ", "Math question: ", "Let me ask: ", "I want to know: "}) + q
	case x < 6:
		q = strings.TrimRight(q, "?.") + pick(s, []string{", please?", " please", ", please.", " pls", " plz", ", thanks", " for me", " thx", ", can you tell me?", " now", " (please)", ", do you know?"})
	case x < 9 && command:
		q = pick(s, []string{"Can you ", "Could you ", "Can you please ", "Could you please ", "Would you ", "Hey, can you ", "Hi, could you ", "can u ", "I want you to ", "I'd like you to ", "you should ", "Let's ", "I need you to ", "Will you ", "Please could you ", "Can you help me "}) + strings.TrimRight(lowerFirst(q), ".") + pick(s, []string{"?", "?", "", " for me?", " for me", " please?", ", please", "."})
	}
	switch s.IntN(12) {
	case 0, 1:
		q = strings.TrimRight(q, "?.")
	case 2, 3:
		q = lowerFirst(q)
	case 4, 5:
		q = strings.TrimRight(lowerFirst(q), "?.")
	case 6:
		if body := strings.TrimRight(q, "?."); body != q {
			q = body + pick(s, []string{"??", " ?", "???", "..", " .", "?!"})
		}
	}
	return q
}

// askLoud is ask, now and then in capitals.
func (s source) askLoud(templates []string, args ...any) string {
	return s.loud(s.ask(templates, args...))
}

// loud writes a question in capitals, now and then: for those whose words the model does not have to repeat.
func (s source) loud(q string) string {
	if s.chance(0.04) {
		return strings.ToUpper(q)
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

package main

import (
	"fmt"
	"strconv"
	"strings"
)

func thinkCompare(a, b int, e effort) string {
	switch e {
	case low:
		return spellLong(a, b) + compareColumns(a, b)
	case medium:
		return spellBoth(a, b) + compareColumns(a, b)
	}
	return thinkCompare(a, b, medium) + fmt.Sprintf(" Check %d %d: ", b, a) + compareColumns(b, a)
}

// pair draws two numbers to compare: of up to four digits, often close ones, or the same digits in another order.
func (s source) pair() (a, b int) {
	a, b = s.operand(), s.operand()
	switch x := s.Float64(); {
	case x < 0.08:
		b = a
	case x < 0.3:
		b = max(0, a+s.between(-12, 12))
	case x < 0.4: // one place differs
		b = a - digitAt(a, 1)*10 + s.between(0, 9)*10
	case x < 0.5: // two places are swapped
		p := s.between(0, max(0, width(a)-2))
		at := []int{1, 10, 100, 1000, 10000}
		d := (digitAt(a, p) - digitAt(a, p+1)) * (at[p+1] - at[p])
		b = a + d
	case x < 0.6:
		b = s.number(4)
	}
	return a, min(b, 9999)
}

var largerOf = []string{"Which is larger, %d or %d?", "Which is bigger, %d or %d?", "Which is greater, %d or %d?", "Which number is larger, %d or %d?", "Which number is bigger: %d or %d?", "Which number is greater, %d or %d?",
	"What is larger, %d or %d?", "What is more, %d or %d?", "Compare %d and %d.", "Compare %d with %d.", "%d or %d, which is larger?", "%d or %d: which is bigger?", "%d or %d, which is bigger?", "%d or %d, which is greater?", "%d or %d, what is more?", "Which is more, %d or %d?", "What is the larger number, %d or %d?",
	"What is the maximum of %d and %d?", "What's larger %d or %d", "What's bigger, %d or %d?", "What is bigger: %d or %d?", "What is greater, %d or %d?", "Which is greater: %d or %d?", "Which is bigger: %d or %d?", "Which one is bigger, %d or %d?", "Which one is larger, %d or %d?", "Which of %d and %d is larger?", "Which of %d and %d is bigger?",
	"Max of %d and %d", "max(%d, %d)", "The larger of %d and %d?", "The bigger number: %d or %d?", "The greater of %d and %d?", "Is %d or %d bigger?", "Is %d or %d larger?", "Which number is higher, %d or %d?", "Which is higher, %d or %d?", "The maximum of %d and %d?", "Tell me which is bigger, %d or %d.", "Bigger: %d or %d?", "Which is the bigger number: %d or %d?", "Which is the larger, %d or %d?", "%d vs %d, which is bigger?", "%d and %d, which is bigger?", "%d and %d: which is larger?", "Between %d and %d, which is larger?"}

var smallerOf = []string{"Which is smaller, %d or %d?", "Which is less, %d or %d?", "Which number is smaller, %d or %d?", "What is smaller, %d or %d?", "%d or %d, which is smaller?", "What is less, %d or %d?",
	"What is the smaller number, %d or %d?", "What is the minimum of %d and %d?", "Which number is smaller: %d or %d?", "What's smaller, %d or %d?", "What's less, %d or %d?", "Which one is smaller, %d or %d?", "Which is smaller: %d or %d?", "Which of %d and %d is smaller?", "Min of %d and %d", "min(%d, %d)", "The smaller of %d and %d?", "Is %d or %d smaller?",
	"Which number is lower, %d or %d?", "Which is lower, %d or %d?", "The minimum of %d and %d?", "Smaller: %d or %d?", "%d or %d: which is less?", "%d vs %d, which is smaller?", "%d and %d, which is smaller?", "Between %d and %d, which is smaller?"}

// compareTask compares two numbers, finds the largest or smallest of several, or says whether one is even.
func compareTask(s source) *task {
	switch x := s.Float64(); {
	case x < 0.15:
		return extremeTask(s)
	case x < 0.2:
		return parityTask(s)
	}
	a, b := s.pair()
	t := &task{skill: "compare", think: func(e effort) string { return thinkCompare(a, b, e) }}
	if s.chance(0.4) {
		t.isMore(s, a, b)
		return t
	}
	larger := s.chance(0.6)
	if larger {
		t.user = s.askLoud(largerOf, a, b)
	} else {
		t.user = s.askLoud(smallerOf, a, b)
	}
	x, y := a, b
	if (a > b) != larger {
		x, y = b, a
	}
	word := map[bool]string{true: "larger", false: "smaller"}[larger]
	t.final, t.short = fmt.Sprintf("%d is %s than %d.", x, word, y), strconv.Itoa(x)
	t.want = want{Kind: kindFirstNumber, Value: strconv.Itoa(x)}
	if a == b {
		t.final = fmt.Sprintf("%d and %d are equal.", a, b)
	}
	return t
}

// isMore asks whether a number is more or less than another, or the same.
func (t *task) isMore(s source, a, b int) {
	rel := relation(a, b)
	asked := pick(s, []string{"more", "more", "more", "less", "less", "same"})
	var phrases []string
	if asked == "same" {
		phrases = []string{"Is %d equal to %d?", "Is %d the same as %d?", "Are %d and %d equal?", "Are %d and %d the same?", "Is %d = %d?", "Does %d equal %d?", "%d = %d?"}
		if s.chance(0.4) {
			b, rel = a, "same"
			t.think = func(e effort) string { return thinkCompare(a, b, e) }
		}
	} else {
		word, sign := pick(s, []string{"greater", "larger", "bigger", "more", "higher"}), ">"
		if asked == "less" {
			word, sign = pick(s, []string{"less", "smaller", "lower"}), "<"
		}
		phrases = []string{"Is %d " + word + " than %d?", "Is %d " + word + " than %d?", "Is %d " + word + " than %d?", "Is the number %d " + word + " than %d?", "Is it true that %d is " + word + " than %d?", "Is %d " + sign + " %d?", "%d " + sign + " %d?", "Is %d" + sign + "%d?", "%d" + sign + "%d", "True or false: %d is " + word + " than %d?",
			"Would you say %d is " + word + " than %d?", "%d is " + word + " than %d, right?", "Do you think %d is " + word + " than %d?"}
	}
	t.user = s.askLoud(phrases, a, b)
	said := map[string]string{"more": "larger than", "less": "smaller than", "same": "equal to"}[rel]
	t.yesNo(rel == asked, fmt.Sprintf("%d is %s %d.", a, said, b))
}

// series writes numbers or words in a row as people do.
func (s source) series(list []string) string {
	last := len(list) - 1
	switch s.IntN(5) {
	case 0:
		return strings.Join(list, " ")
	case 1:
		return strings.Join(list[:last], ", ") + " and " + list[last]
	case 2:
		return strings.Join(list[:last], ", ") + ", and " + list[last]
	}
	return strings.Join(list, ", ")
}

// extremeTask finds the largest or the smallest of three to five numbers.
func extremeTask(s source) *task {
	limit := 100
	if s.chance(0.15) {
		limit = 1000
	}
	list := s.Perm(limit)[:s.between(3, 5)]
	written := s.series(strings.Fields(numbers(list, " ")))
	if s.chance(0.25) {
		written = strings.Replace(written, " and ", " or ", 1)
	}
	larger := s.chance(0.6)
	phrases := []string{"What is the smallest number: %s?", "Which is the smallest: %s?", "Which number is the smallest: %s?", "Smallest of %s", "Smallest number in %s", "Min of %s", "min(%s)", "What is the minimum of %s?", "The smallest of %s?", "Find the smallest number: %s", "What is the smallest of %s?", "Which of these is the smallest: %s?", "What is the lowest number: %s?", "Find the minimum of %s."}
	if larger {
		phrases = []string{"What is the largest number: %s?", "Which is the largest: %s?", "Which number is the largest: %s?", "Largest of %s", "Biggest of %s", "Biggest number in %s", "Largest number in %s", "Max of %s", "max(%s)", "What is the maximum of %s?", "The biggest of %s?", "Find the largest number: %s", "What is the biggest number: %s?", "Which is the biggest: %s?", "What is the largest of %s?", "Which of these is the biggest: %s?", "Which of these numbers is the largest: %s?", "What is the highest number: %s?", "Find the maximum of %s."}
	}
	word, verdict := "smallest", "less"
	if larger {
		word, verdict = "largest", "more"
	}
	think := func(label bool) (string, int) {
		best := list[0]
		s := fmt.Sprintf("%s. Begin with %d.", upperFirst(word), best)
		for _, n := range list[1:] {
			rel := relation(n, best)
			if label {
				s += " Then"
			}
			s += fmt.Sprintf(" %d %d %s", n, best, rel)
			if rel == verdict {
				best = n
			}
			s += fmt.Sprintf(" so %d.", best)
		}
		return s, best
	}
	_, best := think(false)
	return &task{skill: "compare", user: s.askLoud(phrases, written), final: fmt.Sprintf("%d is the %s.", best, word), short: strconv.Itoa(best), want: want{Kind: kindFirstNumber, Value: strconv.Itoa(best)}, think: func(e effort) string {
		brief, _ := think(false)
		long, _ := think(true)
		return [...]string{brief, long, long + " Again: " + brief}[e]
	}}
}

// parityTask says whether a number is even or odd: its last digit says so.
func parityTask(s source) *task {
	n := s.operand()
	last, parity := n%10, []string{"even", "odd"}[n%2]
	t := &task{skill: "compare", think: func(e effort) string {
		said := fmt.Sprintf("%d ends in %d, that is %s.", n, last, parity)
		return [...]string{said, spell(n, width(n)) + ". " + said, spell(n, width(n)) + ". " + said + fmt.Sprintf(" Check: last digit %d, so %s.", last, parity)}[e]
	}}
	if s.chance(0.5) {
		t.user = s.askLoud([]string{"Is %d even or odd?", "Is %d odd or even?", "Is the number %d even or odd?", "Even or odd: %d?", "%d: even or odd?", "Is %d an even or an odd number?"}, n)
		t.final, t.short, t.want = fmt.Sprintf("%d is %s.", n, parity), upperFirst(parity), want{Kind: kindLastWord, Value: parity}
		return t
	}
	asked := pick(s, []string{"even", "odd"})
	t.user = s.askLoud([]string{"Is %d " + asked + "?", "Is %d an " + asked + " number?", "Is the number %d " + asked + "?"}, n)
	t.yesNo(asked == parity, fmt.Sprintf("%d is %s.", n, parity))
	return t
}

// yesNo sets the answer to yes or no and a reason.
func (t *task) yesNo(yes bool, reason string) {
	t.short = map[bool]string{true: "Yes", false: "No"}[yes]
	t.final = t.short + ", " + reason
	t.want = want{Kind: kindYesNo, Value: strings.ToLower(t.short)}
}

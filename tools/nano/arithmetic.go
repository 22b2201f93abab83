package main

import (
	"fmt"
	"strconv"
	"strings"
)

// Number formats follow one rule: whatever decides a token stands before it. So digits are written before they are added,
// a comparison before its outcome, and a borrow after the subtraction that needs it.

var places = []string{"ones", "tens", "hundreds", "thousands"}

// digitAt is the digit of n at place p, ones first.
func digitAt(n, p int) int {
	for range p {
		n /= 10
	}
	return n % 10
}

func width(n int) int { return len(strconv.Itoa(n)) }

// spell writes the digits of n in w places: "17 is 1 7".
func spell(n, w int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d is", n)
	for p := w - 1; p >= 0; p-- {
		fmt.Fprintf(&b, " %d", digitAt(n, p))
	}
	return b.String()
}

func spellBoth(a, b int) string {
	w := max(width(a), width(b))
	return spell(a, w) + ", " + spell(b, w) + ". "
}

// labelled puts the names of places before columns, for medium effort.
func columns(cols []string, label bool) string {
	if label {
		for i := range cols {
			cols[i] = places[i] + " " + cols[i]
		}
		cols[0] = upperFirst(cols[0])
	}
	return strings.Join(cols, ", ")
}

func addColumns(a, b int, label bool) string {
	var cols []string
	carry := 0
	for p := range max(width(a), width(b)) {
		x, y := digitAt(a, p), digitAt(b, p)
		c := fmt.Sprintf("%d+%d", x, y)
		if carry > 0 {
			c += "+1"
		}
		sum := x + y + carry
		cols = append(cols, fmt.Sprintf("%s=%d", c, sum))
		carry = sum / 10
	}
	return columns(cols, label)
}

// subColumns needs a >= b.
func subColumns(a, b int, label bool) string {
	var cols []string
	borrow := 0
	for p := range max(width(a), width(b)) {
		x, y := digitAt(a, p), digitAt(b, p)
		rest := fmt.Sprintf("-%d", y)
		if borrow > 0 {
			rest += "-1"
		}
		c := fmt.Sprintf("%d%s", x, rest)
		d := x - y - borrow
		borrow = 0
		if d < 0 {
			c += fmt.Sprintf(" borrow %d%s", x+10, rest)
			d += 10
			borrow = 1
		}
		cols = append(cols, fmt.Sprintf("%s=%d", c, d))
	}
	return columns(cols, label)
}

// mulColumns multiplies a by one digit.
func mulColumns(a, d int, label bool) string {
	var cols []string
	carry := 0
	for p := range width(a) {
		x := digitAt(a, p)
		c := fmt.Sprintf("%d*%d=%d", x, d, x*d)
		sum := x*d + carry
		if p > 0 {
			c += fmt.Sprintf(", %d+%d=%d", x*d, carry, sum)
		}
		cols = append(cols, c)
		carry = sum / 10
	}
	return columns(cols, label)
}

func relation(a, b int) string {
	switch {
	case a > b:
		return "more"
	case a < b:
		return "less"
	}
	return "same"
}

// compareColumns compares from the highest place down to the first difference.
func compareColumns(a, b int) string {
	var cols []string
	for p := max(width(a), width(b)) - 1; p >= 0; p-- {
		x, y := digitAt(a, p), digitAt(b, p)
		cols = append(cols, fmt.Sprintf("%s %d %d %s", places[p], x, y, relation(x, y)))
		if x != y {
			break
		}
	}
	return upperFirst(strings.Join(cols, ", ")) + "."
}

func thinkAdd(a, b int, e effort) string {
	switch e {
	case low:
		return addColumns(a, b, false) + "."
	case medium:
		return spellBoth(a, b) + addColumns(a, b, true) + fmt.Sprintf(", so %d.", a+b)
	}
	return thinkAdd(a, b, medium) + fmt.Sprintf(" Check %d-%d: ", a+b, b) + subColumns(a+b, b, false) + fmt.Sprintf(", so %d.", a)
}

func thinkSub(a, b int, e effort) string {
	big, small, sign := a, b, ""
	if a < b {
		big, small, sign = b, a, "-"
	}
	if e == low {
		s := compareColumns(a, b) + " "
		if a < b {
			s += fmt.Sprintf("Negative, %d-%d: ", big, small)
		}
		return s + subColumns(big, small, false) + "."
	}
	s := spellBoth(a, b) + compareColumns(a, b) + " "
	if a < b {
		s += fmt.Sprintf("Negative, take %d-%d. ", big, small)
	}
	s += subColumns(big, small, true) + fmt.Sprintf(", so %s%d.", sign, big-small)
	if e == high {
		s += fmt.Sprintf(" Check %d+%d: ", big-small, small) + addColumns(big-small, small, false) + fmt.Sprintf(", so %d.", big)
	}
	return s
}

func thinkMul(a, b int, e effort) string {
	if width(b) > 1 && width(a) == 1 {
		a, b = b, a
	}
	if width(b) == 1 {
		switch e {
		case low:
			return mulColumns(a, b, false) + "."
		case medium:
			return spell(a, width(a)) + ". " + mulColumns(a, b, true) + fmt.Sprintf(", so %d.", a*b)
		}
		return thinkMul(a, b, medium) + " Again: " + mulColumns(a, b, false) + fmt.Sprintf(", so %d.", a*b)
	}
	r0, r1 := a*(b%10), a*(b/10)
	s := fmt.Sprintf("%d*%d: %s, so %d. ", a, b%10, mulColumns(a, b%10, e != low), r0) +
		fmt.Sprintf("%d*%d: %s, so %d. ", a, b/10, mulColumns(a, b/10, e != low), r1)
	if e == low {
		return s + fmt.Sprintf("%d+%d: %s.", r0, 10*r1, addColumns(r0, 10*r1, false))
	}
	s = spellBoth(a, b) + s + spellBoth(r0, 10*r1) + fmt.Sprintf("%s, so %d.", addColumns(r0, 10*r1, true), a*b)
	if e == high {
		s += fmt.Sprintf(" Again %d*%d: %s, so %d.", a, b%10, mulColumns(a, b%10, false), r0) +
			fmt.Sprintf(" %d*%d: %s, so %d. ", a, b/10, mulColumns(a, b/10, false), r1) +
			fmt.Sprintf("%d+%d: %s, so %d.", r0, 10*r1, addColumns(r0, 10*r1, false), a*b)
	}
	return s
}

func numberTask(skill, user string, think func(effort) string, final string, n int) *task {
	return &task{skill: skill, user: user, think: think, final: final, short: strconv.Itoa(n), want: want{Kind: kindNumber, Value: strconv.Itoa(n)}}
}

var operands = [][]string{
	{
		"What is %d + %d?", "What is %d+%d?", "What's %d + %d?", "What is %d plus %d?", "What's %d plus %d?", "%d + %d", "%d+%d", "%d+%d=", "%d + %d = ?",
		"%d plus %d?", "Add %d and %d.", "Add %d to %d.", "Compute %d + %d.", "Calculate %d + %d.", "Calculate %d plus %d.", "What is the sum of %d and %d?",
		"The sum of %d and %d?", "Find the sum of %d and %d.", "How much is %d + %d?", "How much is %d plus %d?", "Sum up %d and %d.", "What do you get if you add %d and %d?",
		"Work out %d + %d.", "Solve %d + %d.", "%d and %d together?", "What does %d + %d equal?", "Give me %d + %d.", "Evaluate %d+%d.", "What is the total of %d and %d?",
	},
	{
		"What is %d - %d?", "What is %d-%d?", "What's %d - %d?", "What is %d minus %d?", "What's %d minus %d?", "%d - %d", "%d-%d", "%d-%d=", "%d - %d = ?",
		"%d minus %d?", "Compute %d - %d.", "Calculate %d - %d.", "Calculate %d minus %d.", "How much is %d - %d?", "How much is %d minus %d?", "Work out %d - %d.",
		"Solve %d - %d.", "What does %d - %d equal?", "Give me %d - %d.", "Evaluate %d-%d.", "What is the difference of %d and %d?", "What is %d less %d?",
		"What is %d take away %d?", "Take %[2]d from %[1]d.", "Subtract %[2]d from %[1]d.", "What do you get if you subtract %[2]d from %[1]d?",
	},
	{
		"What is %d * %d?", "What is %d*%d?", "What's %d * %d?", "What is %d times %d?", "What's %d times %d?", "%d * %d", "%d*%d", "%d*%d=", "%d x %d", "%d x %d = ?",
		"What is %d x %d?", "%d times %d?", "Multiply %d by %d.", "Multiply %d and %d.", "Compute %d * %d.", "Calculate %d * %d.", "Calculate %d times %d.", "What is the product of %d and %d?",
		"Find the product of %d and %d.", "How much is %d * %d?", "How much is %d times %d?", "Work out %d * %d.", "Solve %d * %d.", "What does %d * %d equal?", "Evaluate %d*%d.",
		"What is %d multiplied by %d?",
	},
}

func addTask(s source) *task {
	a, b := s.number(3), s.number(3)
	return numberTask("add", s.ask(operands[0], a, b), func(e effort) string { return thinkAdd(a, b, e) }, fmt.Sprintf("%d + %d = %d", a, b, a+b), a+b)
}

func subtractTask(s source) *task {
	a, b := s.number(3), s.number(3)
	if a < b && s.chance(0.5) {
		a, b = b, a
	}
	return numberTask("subtract", s.ask(operands[1], a, b), func(e effort) string { return thinkSub(a, b, e) }, fmt.Sprintf("%d - %d = %d", a, b, a-b), a-b)
}

func multiplyTask(s source) *task {
	a, b := s.number(2), s.number(1)
	if s.chance(0.4) {
		a, b = b, a
	}
	return numberTask("multiply", s.ask(operands[2], a, b), func(e effort) string { return thinkMul(a, b, e) }, fmt.Sprintf("%d * %d = %d", a, b, a*b), a*b)
}

func thinkCompare(a, b int, e effort) string {
	switch e {
	case low:
		return compareColumns(a, b)
	case medium:
		return spellBoth(a, b) + compareColumns(a, b)
	}
	return thinkCompare(a, b, medium) + fmt.Sprintf(" Check %d %d: ", b, a) + compareColumns(b, a)
}

func compareTask(s source) *task {
	a, b := s.number(3), s.number(3)
	switch {
	case s.chance(0.08):
		b = a
	case s.chance(0.3): // close ones
		b = min(999, max(0, a+s.between(-12, 12)))
	}
	t := &task{skill: "compare", think: func(e effort) string { return thinkCompare(a, b, e) }}
	equal := fmt.Sprintf("%d and %d are equal.", a, b)
	switch s.IntN(3) {
	case 0, 1:
		larger := s.chance(0.6)
		if larger {
			t.user = s.ask([]string{"Which is larger, %d or %d?", "Which is bigger, %d or %d?", "Which is greater, %d or %d?", "Which number is larger, %d or %d?", "Which number is bigger: %d or %d?",
				"What is larger, %d or %d?", "What is more, %d or %d?", "Compare %d and %d.", "Compare %d with %d.", "%d or %d, which is larger?", "%d or %d: which is bigger?", "Which is more, %d or %d?", "What is the larger number, %d or %d?",
				"What is the maximum of %d and %d?"}, a, b)
		} else {
			t.user = s.ask([]string{"Which is smaller, %d or %d?", "Which is less, %d or %d?", "Which number is smaller, %d or %d?", "What is smaller, %d or %d?", "%d or %d, which is smaller?", "What is less, %d or %d?",
				"What is the smaller number, %d or %d?", "What is the minimum of %d and %d?"}, a, b)
		}
		first := (a > b) == larger
		x, y := a, b
		if !first {
			x, y = b, a
		}
		word := map[bool]string{true: "larger", false: "smaller"}[larger]
		t.final, t.short = fmt.Sprintf("%d is %s than %d.", x, word, y), strconv.Itoa(x)
		t.want = want{Kind: kindFirstNumber, Value: strconv.Itoa(x)}
		if a == b {
			t.final = equal
		}
	case 2:
		word := pick(s, []string{"greater", "larger", "bigger", "more", "less", "smaller"})
		t.user = s.ask([]string{"Is %d " + word + " than %d?", "Is the number %d " + word + " than %d?", "Is it true that %d is " + word + " than %d?"}, a, b)
		yes := a > b
		if word == "less" || word == "smaller" {
			yes = a < b
		}
		rel := map[string]string{"more": "larger than", "less": "smaller than", "same": "equal to"}[relation(a, b)]
		t.yesNo(yes, fmt.Sprintf("%d is %s %d.", a, rel, b))
	}
	return t
}

// yesNo sets the answer to yes or no and a reason.
func (t *task) yesNo(yes bool, reason string) {
	t.short = map[bool]string{true: "Yes", false: "No"}[yes]
	t.final = t.short + ", " + reason
	t.want = want{Kind: kindYesNo, Value: strings.ToLower(t.short)}
}

package main

import (
	"fmt"
	"strings"
)

var goods = []string{"apples", "books", "cups", "coins", "eggs", "pens", "balls", "toys", "stones", "cars", "cards", "flowers", "birds", "keys", "boxes", "bottles", "shirts", "stars"}

// A story is a word problem: {w} is a person, {v} another, {t} a thing, {a} and {b} numbers.
var stories = []struct {
	op   byte
	says []string
	why  string
}{
	{'+', []string{"{w} has {a} {t} and buys {b} more. How many {t} does {w} have?", "{w} has {a} {t} and gets {b} more. How many {t} does {w} have now?", "{w} has {a} {t}. {v} gives {w} {b} more. How many {t} does {w} have now?",
		"{w} found {a} {t} and then {b} more. How many {t} did {w} find?", "{w} had {a} {t} and bought {b} more. How many {t} does {w} have now?"}, "More {t} come, so add."},
	{'+', []string{"{w} has {a} {t} and {v} has {b} {t}. How many {t} do they have together?", "{w} has {a} {t} and {v} has {b}. How many {t} do they have in total?", "There are {a} {t} in one box and {b} {t} in another. How many {t} are there in total?"}, "Both together, so add."},
	{'-', []string{"{w} has {a} {t} and gives away {b}. How many {t} are left?", "{w} has {a} {t} and loses {b}. How many {t} are left?", "{w} has {a} {t} and gives {b} to {v}. How many {t} does {w} have left?", "{w} had {a} {t} and sold {b}. How many {t} does {w} have now?",
		"There are {a} {t}. {w} takes {b}. How many {t} are left?", "{w} has {a} {t} and eats {b}. How many {t} are left?"}, "Some {t} go, so subtract."},
	{'-', []string{"{w} has {a} {t} and {v} has {b}. How many more {t} does {w} have?", "{w} has {a} {t}, {v} has {b} {t}. How many more does {w} have than {v}?"}, "How many more, so subtract."},
	{'*', []string{"There are {a} {t} in each box. How many {t} are in {b} boxes?", "{w} has {b} bags with {a} {t} each. How many {t} does {w} have?", "One of the {t} costs {a} dollars. How much do {b} cost?", "{w} buys {b} boxes of {a} {t}. How many {t} is that?",
		"{w} reads {a} pages each day. How many pages does {w} read in {b} days?"}, "Each of them, so multiply."},
}

func storyTask(s source) *task {
	story := pick(s, stories)
	who := pickN(s, persons, 2)
	thing := pick(s, goods)
	a, b := s.between(2, 99), s.between(2, 99)
	var n int
	var think func(effort) string
	var op string
	switch story.op {
	case '+':
		n, think, op = a+b, func(e effort) string { return thinkAdd(a, b, e) }, fmt.Sprintf("%d + %d", a, b)
	case '-':
		if a < b {
			a, b = b, a
		}
		n, think, op = a-b, func(e effort) string { return thinkSub(a, b, e) }, fmt.Sprintf("%d - %d", a, b)
	case '*':
		b = s.between(2, 9)
		n, think, op = a*b, func(e effort) string { return thinkMul(a, b, e) }, fmt.Sprintf("%d * %d", a, b)
	}
	r := strings.NewReplacer("{w}", who[0], "{v}", who[1], "{t}", thing, "{a}", fmt.Sprint(a), "{b}", fmt.Sprint(b))
	why := r.Replace(story.why)
	return numberTask("story", s.casual(r.Replace(pick(s, story.says))), func(e effort) string {
		if e == low {
			return fmt.Sprintf("%s: %s", op, think(e))
		}
		return fmt.Sprintf("%s %s. %s", why, op, think(e))
	}, fmt.Sprintf("The answer is %d.", n), n)
}

// unitTask multiplies by what one unit is of another, or counts days of the week.
func unitTask(s source) *task {
	if s.chance(0.6) {
		return weekdayTask(s)
	}
	u := pick(s, []struct {
		big, small string
		factor     int
	}{{"weeks", "days", 7}, {"hours", "minutes", 60}, {"minutes", "seconds", 60}, {"days", "hours", 24}, {"dozen", "pieces", 12}, {"years", "months", 12}, {"feet", "inches", 12}, {"yards", "feet", 3}, {"gallons", "quarts", 4}})
	n := s.between(2, 60)
	if u.factor > 9 {
		n = s.between(2, 30)
	}
	return numberTask("units", s.ask([]string{"How many %[3]s are in %[1]d %[2]s?", "How many %[3]s are %[1]d %[2]s?", "Convert %[1]d %[2]s to %[3]s.", "What is %[1]d %[2]s in %[3]s?", "%[1]d %[2]s in %[3]s?"}, n, u.big, u.small),
		func(e effort) string {
			rule := fmt.Sprintf("%s to %s: times %d. ", upperFirst(u.big), u.small, u.factor)
			return rule + fmt.Sprintf("%d * %d: ", n, u.factor) + thinkMul(n, u.factor, e)
		}, fmt.Sprintf("%d %s are %d %s.", n, u.big, n*u.factor, u.small), n*u.factor)
}

func weekdayTask(s source) *task {
	start, n := s.IntN(7), s.between(1, 12)
	step, word, q := 1, "after", []string{"What day is %d days after %s?", "Which day is %d days after %s?", "What day comes %d days after %s?", "Which day of the week is %d days after %s?", "Today is %[2]s. What day is it in %[1]d days?", "If today is %[2]s, what day is it in %[1]d days?", "It is %[2]s. Which day is it in %[1]d days?"}
	if s.chance(0.35) {
		step, word, q = 6, "before", []string{"What day is %d days before %s?", "Which day is %d days before %s?", "Today is %[2]s. What day was it %[1]d days ago?", "If today is %[2]s, what day was it %[1]d days ago?"}
	}
	line := func(label string) string {
		var b strings.Builder
		for i := 1; i <= n; i++ {
			fmt.Fprintf(&b, "%s%d %s, ", label, i, days[(start+i*step)%7])
		}
		return strings.TrimSuffix(b.String(), ", ")
	}
	day := days[(start+n*step)%7]
	return &task{skill: "units", user: s.ask(q, n, days[start]), final: fmt.Sprintf("%d days %s %s is %s.", n, word, days[start], day), short: day, want: want{Kind: kindLastWord, Value: day}, think: func(e effort) string {
		s := fmt.Sprintf("%d days %s %s: ", n, word, days[start])
		switch e {
		case low:
			return s + line("") + "."
		case medium:
			return s + line("day ") + fmt.Sprintf(", so %s.", day)
		}
		return s + line("day ") + fmt.Sprintf(", so %s. Again: %s, so %s.", day, line(""), day)
	}}
}

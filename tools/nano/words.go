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
	switch x := s.Float64(); {
	case x < 0.4:
		return calendarTask(s, "day", days, 12)
	case x < 0.6:
		return calendarTask(s, "month", months, 9)
	}
	u := pick(s, []struct {
		big, small string
		factor     int
	}{{"weeks", "days", 7}, {"hours", "minutes", 60}, {"minutes", "seconds", 60}, {"days", "hours", 24}, {"dozen", "pieces", 12}, {"years", "months", 12}, {"feet", "inches", 12}, {"yards", "feet", 3}, {"gallons", "quarts", 4}})
	n := s.between(2, 60)
	if u.factor > 9 {
		n = s.between(2, 12)
	}
	return numberTask("units", s.ask([]string{"How many %[3]s are in %[1]d %[2]s?", "How many %[3]s are %[1]d %[2]s?", "Convert %[1]d %[2]s to %[3]s.", "What is %[1]d %[2]s in %[3]s?", "%[1]d %[2]s in %[3]s?"}, n, u.big, u.small),
		func(e effort) string {
			rule := fmt.Sprintf("%s to %s: times %d. ", upperFirst(u.big), u.small, u.factor)
			return rule + fmt.Sprintf("%d * %d: ", n, u.factor) + thinkMul(n, u.factor, e)
		}, fmt.Sprintf("%d %s are %d %s.", n, u.big, n*u.factor, u.small), n*u.factor)
}

// calendarTask goes some days or months on or back from one that has a name.
func calendarTask(s source, unit string, names []string, most int) *task {
	start, n := s.IntN(len(names)), s.between(1, most)
	units := unit + "s"
	if n == 1 {
		units = unit
	}
	step, word := 1, "after"
	q := []string{"What {u} is %[1]d {us} after %[2]s?", "Which {u} is %[1]d {us} after %[2]s?", "What {u} comes %[1]d {us} after %[2]s?", "Today is %[2]s. What {u} is it in %[1]d {us}?", "If today is %[2]s, what {u} is it in %[1]d {us}?",
		"It is %[2]s. Which {u} is it in %[1]d {us}?", "It is %[2]s now. What {u} will it be in %[1]d {us}?", "%[1]d {us} after %[2]s?", "Which {u} comes %[1]d {us} after %[2]s?"}
	if s.chance(0.35) {
		step, word = len(names)-1, "before"
		q = []string{"What {u} is %[1]d {us} before %[2]s?", "Which {u} is %[1]d {us} before %[2]s?", "It is %[2]s. What {u} was it %[1]d {us} ago?", "If it is %[2]s, what {u} was it %[1]d {us} ago?", "%[1]d {us} before %[2]s?", "What {u} was %[1]d {us} before %[2]s?"}
	}
	// Counting down ends by itself; counting up has to be compared with n each time.
	line := func(label string) string {
		var b strings.Builder
		for i := 1; i <= n; i++ {
			fmt.Fprintf(&b, "%s%d %s, ", label, n+1-i, names[(start+i*step)%len(names)])
		}
		return strings.TrimSuffix(b.String(), ", ")
	}
	name := names[(start+n*step)%len(names)]
	question := strings.NewReplacer("{us}", units, "{u}", unit).Replace(pick(s, q))
	what := fmt.Sprintf("%d %s %s %s", n, units, word, names[start])
	return &task{skill: "units", user: s.casual(fmt.Sprintf(question, n, names[start])), final: what + " is " + name + ".", short: name, want: want{Kind: kindLastWord, Value: name}, think: func(e effort) string {
		switch e {
		case low:
			return what + ": " + line("") + "."
		case medium:
			return what + ": " + line(unit+" ") + ", so " + name + "."
		}
		return what + ": " + line(unit+" ") + ", so " + name + ". Again: " + line("") + ", so " + name + "."
	}}
}

package main

import (
	"fmt"
	"strings"
)

var goods = strings.Fields(`apples books cups coins eggs pens balls toys stones cars cards flowers birds keys boxes bottles shirts stars marbles cookies candies oranges bananas pencils dollars euros cats dogs horses fish trees plates chairs hats
	shoes cakes pears lemons tickets stamps balloons shells cents points buttons pizzas sandwiches tomatoes roses sheep cows ducks chickens rabbits`)

// oneGood is the singular of a thing.
func oneGood(things string) string {
	switch {
	case things == "fish" || things == "sheep":
		return things
	case things == "boxes" || things == "tomatoes" || things == "sandwiches":
		return strings.TrimSuffix(things, "es")
	case things == "candies":
		return "candy"
	}
	return strings.TrimSuffix(things, "s")
}

// A story is a word problem: {w} is a person, {v} another, {he} she or he, {t} a thing, {o} one of them, {a}, {b} and {c} numbers. In mine
// the person is I.
type story struct {
	op   string
	says []string
	why  string
}

var stories = []story{
	{"+", []string{"{w} has {a} {t} and buys {b} more. How many {t} does {w} have?", "{w} has {a} {t} and gets {b} more. How many {t} does {w} have now?", "{w} has {a} {t}. {v} gives {w} {b} more. How many {t} does {w} have now?",
		"{w} found {a} {t} and then {b} more. How many {t} did {w} find?", "{w} had {a} {t} and bought {b} more. How many {t} does {w} have now?", "{w} has {a} {t} and gets {b} more. How many does {he} have now?", "{w} has {a} {t}. {he} finds {b} more. How many {t} does {he} have?", "{w} had {a} {t} and got {b} more. How many does {he} have?",
		"I have {a} {t} and buy {b} more. How many do I have?", "I have {a} {t} and get {b} more. How many {t} do I have now?", "I had {a} {t} and found {b} more. How many {t} do I have?", "If I have {a} {t} and you give me {b} more, how many do I have?", "If I have {a} {t} and buy {b} more, how many {t} do I have?", "There are {a} {t} and {b} more come. How many {t} are there now?", "There were {a} {t}. {b} more come. How many are there?"}, "More come, so add."},
	{"+", []string{"{w} has {a} {t} and {v} has {b} {t}. How many {t} do they have together?", "{w} has {a} {t} and {v} has {b}. How many {t} do they have in total?", "There are {a} {t} in one box and {b} {t} in another. How many {t} are there in total?", "I have {a} {t} and you have {b}. How many do we have together?", "I have {a} {t} and {w} has {b}. How many {t} do we have in total?", "{w} has {a} {t}, {v} has {b} {t}. How many are there altogether?", "{a} {t} and {b} {t} are how many {t}?"}, "Both together, so add."},
	{"-", []string{"{w} has {a} {t} and gives away {b}. How many {t} are left?", "{w} has {a} {t} and loses {b}. How many {t} are left?", "{w} has {a} {t} and gives {b} to {v}. How many {t} does {w} have left?", "{w} had {a} {t} and sold {b}. How many {t} does {w} have now?",
		"There are {a} {t}. {w} takes {b}. How many {t} are left?", "{w} has {a} {t} and eats {b}. How many {t} are left?", "{w} had {a} {t} and spent {b}. How much is left?", "{w} had {a} {t} and spent {b}. How many {t} are left?", "{w} had {a} {t}. {he} lost {b}. How many does {he} have left?", "{w} has {a} {t} and {b} break. How many are left?",
		"I have {a} {t} and eat {b}. How many do I have?", "I have {a} {t} and give away {b}. How many {t} are left?", "I had {a} {t} and lost {b}. How many {t} do I have left?", "I had {a} {t} and spent {b}. How much do I have left?", "If I have {a} {t} and eat {b}, how many are left?", "If I have {a} {t} and you take {b}, how many do I have left?", "If you have {a} {t} and give me {b}, how many do you have?",
		"There are {a} {t}, {b} go away. How many remain?", "There were {a} {t} and {b} left. How many remain?", "There are {a} {t} in a box. I take {b} out. How many remain?", "There are {a} birds in a tree and {b} fly away. How many are left?", "There are {a} {t} on the table. {b} fall down. How many are left?", "{a} birds sit on a tree, {b} fly off. How many remain?"}, "Some go, so subtract."},
	{"-", []string{"{w} has {a} {t} and {v} has {b}. How many more {t} does {w} have?", "{w} has {a} {t}, {v} has {b} {t}. How many more does {w} have than {v}?", "I have {a} {t} and you have {b}. How many more do I have?", "{w} is {a} years old and {v} is {b}. How much older is {w}?"}, "How many more, so subtract."},
	{"*", []string{"There are {a} {t} in each box. How many {t} are in {b} boxes?", "{w} has {b} bags with {a} {t} each. How many {t} does {w} have?", "One of the {t} costs {a} dollars. How much do {b} cost?", "{w} buys {b} boxes of {a} {t}. How many {t} is that?",
		"{w} reads {a} pages each day. How many pages does {w} read in {b} days?", "A box has {a} {t}. How many {t} do {b} boxes have?", "One box has {a} {t}. How many {t} are in {b} boxes?", "If one {o} costs {a} dollars, how much do {b} {t} cost?", "One {o} costs {a} dollars. How much are {b} {t}?", "If a {o} costs {a} dollars, what do {b} {t} cost?", "A {o} costs {a} euros. What is the price of {b} {t}?",
		"There are {b} boxes with {a} {t} each. How many {t} are there?", "I buy {b} bags of {a} {t}. How many {t} do I have?", "I have {b} boxes with {a} {t} each. How many {t} do I have?", "A car goes {a} miles an hour. How far does it go in {b} hours?", "A bus drives {a} miles per hour. How far does it get in {b} hours?", "A train travels {a} kilometers an hour. How many kilometers does it travel in {b} hours?", "{w} walks {a} miles a day. How far does {he} walk in {b} days?",
		"{w} earns {a} dollars an hour. How much does {he} earn in {b} hours?", "{b} kids have {a} {t} each. How many {t} do they have?", "Each of {b} friends has {a} {t}. How many {t} do they have together?"}, "Each of them, so multiply."},
	{"/", []string{"{a} {t} are shared by {b} friends. How many does each get?", "{a} {t} are shared among {b} kids. How many {t} does each get?", "{w} shares {a} {t} among {b} friends. How many does each one get?", "{b} kids share {a} {t}. How many does each kid get?", "{b} friends share {a} {t} equally. How many {t} does each get?", "I have {a} {t} for {b} people. How many does each get?", "{w} puts {a} {t} into {b} boxes. How many {t} are in each box?", "If {a} {t} are split between {b} people, how many does each person get?",
		"{b} {t} cost {a} dollars. How much does one cost?", "Divide {a} {t} among {b} children. How many does each get?", "{a} {t} are divided by {b} children. How many {t} does each child get?"}, "Shared by all, so divide."},
	{"+-", []string{"{w} has {a} {t}, buys {b} more and eats {c}. How many are left?", "{w} has {a} {t}. {he} gets {b} more and loses {c}. How many {t} does {he} have?", "I have {a} {t}, get {b} more and give away {c}. How many do I have?", "{w} had {a} {t}, found {b} and sold {c}. How many {t} are left?"}, "First more, then less."},
}

func storyTask(s source) *task { return storyOf(s, pick(s, goods), pickN(s, persons, 2)) }

// story is a word problem, now and then about things and people whose names are unknown: they change nothing.
func (m *mix) story() *task {
	thing, who := pick(m.source, goods), pickN(m.source, persons, 2)
	if m.chance(0.2) {
		thing = strings.ToLower(m.strange()) + pick(m.source, []string{"s", "s", "es", ""})
	}
	if m.chance(0.1) {
		who[0] = upperFirst(m.strange())
	}
	return storyOf(m.source, thing, who)
}

func storyOf(s source, thing string, who []string) *task {
	story := pick(s, stories)
	a, b, c := s.between(2, 99), s.between(2, 99), 0
	if s.chance(0.4) {
		a, b = s.between(2, 20), s.between(2, 12)
	}
	var n int
	var think func(effort) string
	var op string
	switch story.op {
	case "+":
		n, think, op = a+b, func(e effort) string { return thinkAdd(a, b, e) }, fmt.Sprintf("%d + %d", a, b)
	case "-":
		if a < b {
			a, b = b, a
		}
		n, think, op = a-b, func(e effort) string { return thinkSub(a, b, e) }, fmt.Sprintf("%d - %d", a, b)
	case "*":
		b = s.between(2, 9)
		n, think, op = a*b, func(e effort) string { return thinkMul(a, b, e) }, fmt.Sprintf("%d * %d", a, b)
	case "/":
		b = s.between(2, 12)
		n = s.between(1, 12)
		a = n * b
		think, op = func(e effort) string { return thinkDivide(a, b, e) }, fmt.Sprintf("%d / %d", a, b)
	case "+-":
		c = s.between(1, a+b)
		n, op = a+b-c, fmt.Sprintf("%d + %d - %d", a, b, c)
		think = func(e effort) string {
			return fmt.Sprintf("%d+%d: %s %d-%d: %s", a, b, thinkAdd(a, b, min(e, medium)), a+b, c, thinkSub(a+b, c, e))
		}
	}
	pronoun := pick(s, []string{"he", "she", "they"})
	said := pick(s, story.says)
	r := strings.NewReplacer("{w}", who[0], "{v}", who[1], "{t}", thing, "{o}", oneGood(thing), ". {he}", ". "+upperFirst(pronoun), "{he}", pronoun, "does {he}", "does "+pronoun, "{a}", fmt.Sprint(a), "{b}", fmt.Sprint(b), "{c}", fmt.Sprint(c))
	return numberTask("story", s.lower(s.casual(r.Replace(said))), func(e effort) string {
		if e == low {
			return fmt.Sprintf("%s: %s", op, think(e))
		}
		return fmt.Sprintf("%s %s. %s", story.why, op, think(e))
	}, fmt.Sprintf("The answer is %d.", n), n)
}

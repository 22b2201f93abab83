package main

import (
	"fmt"
	"slices"
	"strings"
)

// classes are plural nouns; properties are adjectives: what syllogisms speak of.
var (
	classes = []string{"roses", "flowers", "cats", "dogs", "animals", "birds", "plants", "trees", "fish", "cars", "books", "teachers", "students", "doctors", "artists", "singers", "athletes", "robots",
		"machines", "apples", "fruits", "horses", "mammals", "insects", "whales", "lions", "wolves", "boats", "houses", "stones", "cups", "toys", "games", "poets", "writers", "farmers", "kings", "dancers",
		"engineers", "vehicles", "reptiles", "snakes", "bees", "oaks", "metals", "tools", "chairs", "pilots", "cooks", "humans", "men", "women", "children", "squares", "shapes", "birches"}
	properties = []string{"red", "green", "blue", "white", "black", "tall", "small", "big", "old", "young", "fast", "slow", "happy", "kind", "clever", "heavy", "light", "strong", "rich", "famous", "mortal", "alive",
		"expensive", "cheap", "round", "soft", "loud", "quiet", "brave", "beautiful"}
	persons = []string{"Anna", "Tom", "Ben", "Mary", "John", "Lisa", "Paul", "Emma", "Max", "Sara", "Peter", "Julia", "David", "Maria", "Leo", "Nina", "Oscar", "Lucy", "Socrates", "Sam", "Alice", "Bob"}
)

// oneOf is the singular of a class with its article.
func oneOf(class string) string {
	singular, irregular := map[string]string{"fish": "fish", "men": "man", "women": "woman", "children": "child", "wolves": "wolf", "birches": "birch", "horses": "horse", "houses": "house"}[class]
	if !irregular {
		singular = strings.TrimSuffix(class, "s")
	}
	if strings.ContainsRune("aeiou", rune(singular[0])) {
		return "an " + singular
	}
	return "a " + singular
}

// A form is a pattern of two premises and a conclusion over three terms: a and b are classes, c is a class or a property.
type form struct {
	p1, p2, c statement
	valid     bool
	why       string // names terms as {a}, {b}, {c}
}

type statement struct{ quantity, subject, predicate string }

var forms = []form{
	{statement{"all", "a", "b"}, statement{"all", "b", "c"}, statement{"all", "a", "c"}, true, "Every {a} is {b}, every {b} is {c}, so every {a} is {c}"},
	{statement{"all", "a", "b"}, statement{"all", "b", "c"}, statement{"some", "a", "c"}, true, "Every {a} is {b}, every {b} is {c}, so every {a} is {c}"},
	{statement{"all", "a", "b"}, statement{"some", "b", "c"}, statement{"some", "a", "c"}, false, "The {b} that are {c} may not be {a}"},
	{statement{"all", "a", "b"}, statement{"some", "b", "c"}, statement{"all", "a", "c"}, false, "The {b} that are {c} may not be {a}"},
	{statement{"all", "a", "b"}, statement{"no", "b", "c"}, statement{"no", "a", "c"}, true, "Every {a} is {b}, no {b} is {c}, so no {a} is {c}"},
	{statement{"all", "a", "b"}, statement{"no", "b", "c"}, statement{"some", "a", "c"}, false, "Every {a} is {b}, no {b} is {c}, so no {a} is {c}"},
	{statement{"some", "a", "b"}, statement{"all", "b", "c"}, statement{"some", "a", "c"}, true, "The {a} that are {b} are {c}"},
	{statement{"some", "a", "b"}, statement{"some", "b", "c"}, statement{"some", "a", "c"}, false, "The {b} that are {c} may not be {a}"},
	{statement{"some", "a", "b"}, statement{"all", "b", "c"}, statement{"all", "a", "c"}, false, "Only some {a} are {b}, other {a} may not be {c}"},
	{statement{"all", "a", "b"}, statement{"all", "c", "b"}, statement{"all", "a", "c"}, false, "Both are {b}, but {a} may not be {c}"},
	{statement{"all", "a", "b"}, statement{"all", "c", "b"}, statement{"some", "a", "c"}, false, "Both are {b}, but {a} may not be {c}"},
	{statement{"all", "a", "b"}, statement{"some", "a", "c"}, statement{"some", "b", "c"}, true, "The {a} that are {c} are {b}"},
	{statement{"no", "a", "b"}, statement{"all", "c", "b"}, statement{"no", "a", "c"}, true, "Every {c} is {b}, no {a} is {b}, so no {a} is {c}"},
}

func (s statement) say(terms map[string]string) string {
	return fmt.Sprintf("%s %s are %s", s.quantity, terms[s.subject], terms[s.predicate])
}

// brief names the terms by letter, which shows the form.
func (s statement) brief() string {
	return fmt.Sprintf("%s %s are %s", s.quantity, strings.ToUpper(s.subject), strings.ToUpper(s.predicate))
}

func syllogismTask(s source) *task {
	if s.chance(0.25) {
		return personTask(s)
	}
	f := pick(s, forms)
	if s.chance(0.15) {
		f = forms[2] // the classic trap
	}
	names := pickN(s, classes, 3)
	terms := map[string]string{"a": names[0], "b": names[1], "c": names[2]}
	if f.p1.subject != "c" && f.p2.subject != "c" && s.chance(0.5) {
		terms["c"] = pick(s, properties)
	}
	p1, p2, c := f.p1.say(terms), f.p2.say(terms), f.c.say(terms)
	var user string
	if s.chance(0.2) { // the other premise first
		p1, p2 = p2, p1
		f.p1, f.p2 = f.p2, f.p1
	}
	switch s.IntN(4) {
	case 0, 1:
		user = pick(s, []string{"If %s and %s, can we conclude that %s?", "If %s and %s, are we sure that %s?", "If %s and %s, does it follow that %s?", "If %s, and %s, can we conclude that %s?", "If %s and %s, is it true that %s?",
			"If %s and %s, must it be that %s?", "Suppose %s and %s. Does it follow that %s?", "Given that %s and %s, can we say that %s?", "Given that %s and %s, do we know that %s?", "If %s and %s, can one conclude that %s?"})
		user = s.casual(fmt.Sprintf(user, p1, p2, c))
	case 2:
		user = pick(s, []string{"%s. %s. Does it follow that %s?", "%s. %s. Can we conclude that %s?", "%s. %s. Is it certain that %s?", "%s. %s. So %s?", "%s. %s. Therefore, %s. Is that valid?", "%s. %s. Therefore %s. Is this right?"})
		user = fmt.Sprintf(user, upperFirst(p1), upperFirst(p2), c)
	case 3:
		user = pick(s, []string{"%s. %s. Are %s %s %s?", "If %s and %s, are %s %s %s?"})
		if strings.HasPrefix(user, "%s") {
			p1, p2 = upperFirst(p1), upperFirst(p2)
		}
		user = fmt.Sprintf(user, p1, p2, f.c.quantity, terms[f.c.subject], terms[f.c.predicate])
	}
	why := strings.NewReplacer("{a}", terms["a"], "{b}", terms["b"], "{c}", terms["c"]).Replace(f.why)
	verdict := map[bool]string{true: "it follows.", false: "it does not follow."}[f.valid]
	t := &task{skill: "syllogism", user: user}
	t.yesNo(f.valid, map[bool]string{true: "that follows.", false: "that does not follow."}[f.valid])
	naming := fmt.Sprintf("A is %s, B is %s, C is %s. ", terms["a"], terms["b"], terms["c"])
	pattern := fmt.Sprintf("%s, %s, then %s?", upperFirst(f.p1.brief()), f.p2.brief(), f.c.brief())
	t.think = func(e effort) string {
		switch e {
		case low:
			return naming + pattern + " " + map[bool]string{true: "Valid.", false: "Not valid."}[f.valid]
		case medium:
			return naming + pattern + " " + why + ", so " + verdict
		}
		return fmt.Sprintf("%s. %s. To show: %s. ", upperFirst(f.p1.say(terms)), upperFirst(f.p2.say(terms)), c) + naming + pattern + " " + why + ", so " + verdict + " " +
			map[bool]string{true: "No case against it is left.", false: "There is a case against it."}[f.valid]
	}
	return t
}

// personTask is a syllogism about one person.
func personTask(s source) *task {
	who, names := pick(s, persons), pickN(s, classes, 2)
	a, c := names[0], names[1]
	if s.chance(0.5) {
		c = pick(s, properties)
	}
	kind := s.IntN(4)
	quantity := []string{"all", "some", "no", "all"}[kind]
	rule := fmt.Sprintf("%s %s are %s", quantity, a, c)
	fact, ask := fmt.Sprintf("%s is %s", who, oneOf(a)), fmt.Sprintf("%s is %s", who, oneOf(c))
	question := fmt.Sprintf("is %s %s", who, oneOf(c))
	if slices.Contains(properties, c) {
		ask, question = fmt.Sprintf("%s is %s", who, c), fmt.Sprintf("is %s %s", who, c)
	}
	if kind == 3 { // the converse: all a are c, who is c, so who is a?
		fact, ask, question = ask, fact, fmt.Sprintf("is %s %s", who, oneOf(a))
	}
	user := s.casual(pick(s, []string{
		fmt.Sprintf("%s. %s. %s?", upperFirst(rule), fact, upperFirst(question)),
		fmt.Sprintf("If %s and %s, %s?", rule, fact, question),
		fmt.Sprintf("If %s and %s, can we conclude that %s?", rule, fact, ask),
		fmt.Sprintf("%s. %s. Does it follow that %s?", upperFirst(rule), fact, ask),
		fmt.Sprintf("%s and %s. %s?", fact, rule, upperFirst(question)),
	}))
	t := &task{skill: "syllogism", user: user}
	var why, brief string
	switch kind {
	case 0:
		t.yesNo(true, "that follows.")
		brief, why = "All A are C, X is A, then X is C?", fmt.Sprintf("Every one of the %s is %s, so it holds for %s", a, c, who)
	case 1:
		t.yesNo(false, "that does not follow.")
		brief, why = "Some A are C, X is A, then X is C?", fmt.Sprintf("Only some %s are %s, so %s may be another", a, c, who)
	case 2:
		t.yesNo(false, "that does not follow.")
		brief, why = "No A are C, X is A, then X is C?", fmt.Sprintf("None of the %s is %s, so %s is not", a, c, who)
	case 3:
		t.yesNo(false, "that does not follow.")
		brief, why = "All A are C, X is C, then X is A?", fmt.Sprintf("Others than %s may be %s, so we do not know about %s", a, c, who)
	}
	naming := fmt.Sprintf("A is %s, C is %s, X is %s. ", a, c, who)
	t.think = func(e effort) string {
		switch e {
		case low:
			return naming + brief + map[bool]string{true: " Valid.", false: " Not valid."}[kind == 0]
		case medium:
			return naming + brief + " " + why + "."
		}
		return fmt.Sprintf("%s. %s. To show: %s. ", upperFirst(rule), fact, ask) + naming + brief + " " + why + ". " +
			map[bool]string{true: "No case against it is left.", false: "There is a case against it."}[kind == 0]
	}
	return t
}

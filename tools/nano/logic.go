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
	if s.chance(0.5) { // the other premise first, as often, or the model learns which letters mostly come where
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
	t := &task{skill: "syllogism", user: user}
	t.yesNo(f.valid, map[bool]string{true: "that follows.", false: "that does not follow."}[f.valid])
	var l letters
	var spoken, brief []string
	for _, st := range []statement{f.p1, f.p2, f.c} {
		x, y := terms[st.subject], terms[st.predicate]
		spoken = append(spoken, upperFirst(fmt.Sprintf("%s %s %s are %s %s", st.quantity, x, l.of(x), y, l.of(y))))
		brief = append(brief, fmt.Sprintf("%s %s %s", st.quantity, l.of(x), l.of(y)))
	}
	t.think = thinkLogic(spoken, brief, f.valid, why)
	return t
}

// letters name terms in the order in which they come.
type letters []string

func (l *letters) of(term string) string {
	i := slices.Index(*l, term)
	if i < 0 {
		i = len(*l)
		*l = append(*l, term)
	}
	return string(rune('A' + i))
}

// thinkLogic repeats the premises and the conclusion with a letter behind each term, so that the form is what the letters say.
func thinkLogic(spoken, brief []string, valid bool, why string) func(effort) string {
	verdict := map[bool]string{true: "valid", false: "not valid"}[valid]
	form := upperFirst(strings.Join(brief[:2], ", ")) + ", then " + brief[2] + "? " + upperFirst(verdict) + "."
	return func(e effort) string {
		s := strings.Join(spoken, ". ") + "? " + form
		if e >= medium {
			s += " " + why + "."
		}
		if e == high {
			s += " Again: " + form + " So " + map[bool]string{true: "it follows.", false: "it does not follow."}[valid]
		}
		return s
	}
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
	factFirst := s.chance(0.4)
	user := s.casual(pick(s, []string{
		fmt.Sprintf("%s. %s. %s?", upperFirst(rule), fact, upperFirst(question)),
		fmt.Sprintf("If %s and %s, %s?", rule, fact, question),
		fmt.Sprintf("If %s and %s, can we conclude that %s?", rule, fact, ask),
		fmt.Sprintf("%s. %s. Does it follow that %s?", upperFirst(rule), fact, ask),
	}))
	if factFirst {
		user = s.casual(fmt.Sprintf("%s and %s. %s?", fact, rule, upperFirst(question)))
	}
	t := &task{skill: "syllogism", user: user}
	t.yesNo(kind == 0, map[bool]string{true: "that follows.", false: "that does not follow."}[kind == 0])
	why := [...]string{fmt.Sprintf("Every one of the %s is %s, so it holds for %s", a, c, who), fmt.Sprintf("Only some %s are %s, so %s may be another", a, c, who),
		fmt.Sprintf("None of the %s is %s, so %s is not", a, c, who), fmt.Sprintf("Others than %s may be %s, so we do not know about %s", a, c, who)}[kind]
	var l letters
	the := func() (spoken, brief string) { // the rule
		return upperFirst(fmt.Sprintf("%s %s %s are %s %s", quantity, a, l.of(a), c, l.of(c))), fmt.Sprintf("%s %s %s", quantity, l.of(a), l.of(c))
	}
	is := func(sentence, of string) (spoken, brief string) { // the fact and the question
		return strings.Replace(sentence, who, who+" "+l.of(who), 1) + " " + l.of(of), fmt.Sprintf("%s is %s", l.of(who), l.of(of))
	}
	known, asked := a, c
	if kind == 3 {
		known, asked = c, a
	}
	var spoken, brief [3]string
	for i := range 2 { // in the order of the question
		if (i == 1) == factFirst {
			spoken[i], brief[i] = the()
		} else {
			spoken[i], brief[i] = is(fact, known)
		}
	}
	spoken[2], brief[2] = is(ask, asked)
	t.think = thinkLogic(spoken[:], brief[:], kind == 0, why)
	return t
}

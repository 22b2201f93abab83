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
		"engineers", "vehicles", "reptiles", "snakes", "bees", "oaks", "metals", "tools", "chairs", "pilots", "cooks", "humans", "men", "women", "children", "squares", "shapes", "birches",
		"rectangles", "circles", "triangles", "lawyers", "nurses", "soldiers", "bananas", "lemons", "tomatoes", "vegetables", "pets", "puppies", "kittens", "cows", "sheep", "pigs", "goats", "eagles", "ducks", "penguins", "sharks", "dolphins", "elephants", "tigers", "bears", "frogs", "spiders", "ants", "butterflies", "dragons", "unicorns",
		"computers", "phones", "planes", "bikes", "trucks", "trains", "ships", "tables", "lamps", "songs", "movies", "stories", "cities", "countries", "rivers", "mountains", "planets", "stars", "people", "boys", "girls", "Greeks", "Romans", "Germans", "philosophers", "scientists", "workers", "players", "numbers", "creatures", "things", "objects", "heroes"}
	properties = []string{"red", "green", "blue", "white", "black", "tall", "small", "big", "old", "young", "fast", "slow", "happy", "kind", "clever", "heavy", "light", "strong", "rich", "famous", "mortal", "alive",
		"expensive", "cheap", "round", "soft", "loud", "quiet", "brave", "beautiful", "yellow", "hot", "cold", "sweet", "hungry", "wise", "smart", "dangerous", "friendly", "useful", "pretty", "sad", "tired", "warm", "blind", "poor", "honest", "lazy", "good", "bad", "nice", "human"}
	persons = []string{"Anna", "Tom", "Ben", "Mary", "John", "Lisa", "Paul", "Emma", "Max", "Sara", "Peter", "Julia", "David", "Maria", "Leo", "Nina", "Oscar", "Lucy", "Socrates", "Sam", "Alice", "Bob", "Mike", "Jack", "Kate", "Jane", "Jim", "Joe", "Dan", "Amy", "Sue", "Lily", "Mia", "Adam", "Eve", "Rex", "Fido", "Felix", "Plato", "Aristotle", "Carl", "Kim", "Chris", "Alex", "Ann", "Sarah", "James", "Robert", "Michael", "William", "Linda", "Laura", "Steve", "Mark", "George", "Frank", "Henry", "Rosa"}
)

// oneOf is the singular of a class with its article.
func oneOf(class string) string {
	singular, irregular := map[string]string{"fish": "fish", "men": "man", "women": "woman", "children": "child", "wolves": "wolf", "birches": "birch", "sheep": "sheep", "people": "person", "puppies": "puppy", "stories": "story", "cities": "city", "countries": "country", "butterflies": "butterfly", "heroes": "hero", "tomatoes": "tomato"}[class]
	if !irregular {
		singular = strings.TrimSuffix(class, "s")
	}
	if strings.HasPrefix(singular, "unicorn") {
		return "a " + singular
	}
	return article(singular)
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
	switch x := s.Float64(); {
	case x < 0.25:
		return personTask(s)
	case x < 0.37:
		return converseTask(s)
	case x < 0.47:
		return rankTask(s)
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
	last := len(brief) - 1
	form := upperFirst(strings.Join(brief[:last], ", ")) + ", then " + brief[last] + "? " + upperFirst(verdict) + "."
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
	if s.chance(0.1) {
		who = strings.ToLower(who)
	}
	a, c := names[0], names[1]
	if s.chance(0.5) {
		c = pick(s, properties)
	}
	kind := s.IntN(4)
	quantity := []string{"all", "some", "no", "all"}[kind]
	rule, every := fmt.Sprintf("%s %s are %s", quantity, a, c), false
	if quantity == "all" && s.chance(0.35) {
		every = true
		rule = singular(a, c)
	}
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
		if every {
			_, one, _ := strings.Cut(oneOf(a), " ")
			first, rest, _ := strings.Cut(rule, one+" is ")
			return fmt.Sprintf("%s%s %s is %s %s", upperFirst(first), one, l.of(a), rest, l.of(c)), fmt.Sprintf("all %s %s", l.of(a), l.of(c))
		}
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

// singular says of each of a class that it is of another, or has a property: "every cat is an animal".
func singular(a, c string) string {
	_, one, _ := strings.Cut(oneOf(a), " ")
	if slices.Contains(properties, c) {
		return fmt.Sprintf("every %s is %s", one, c)
	}
	return fmt.Sprintf("every %s is %s", one, oneOf(c))
}

// converses are conclusions from one premise. {a} and {b} are classes.
var converses = []form{
	{statement{"all", "a", "b"}, statement{}, statement{"all", "b", "a"}, false, "Other {b} may not be {a}"},
	{statement{"all", "a", "b"}, statement{}, statement{"some", "b", "a"}, true, "The {a} are {b}, so some {b} are {a}"},
	{statement{"some", "a", "b"}, statement{}, statement{"all", "a", "b"}, false, "Only some {a} are {b}, others may not be"},
	{statement{"some", "a", "b"}, statement{}, statement{"some", "b", "a"}, true, "The {a} that are {b} are {b} that are {a}"},
	{statement{"no", "a", "b"}, statement{}, statement{"no", "b", "a"}, true, "If no {a} is {b}, no {b} is {a}"},
	{statement{"no", "a", "b"}, statement{}, statement{"some", "a", "b"}, false, "None of the {a} is {b}"},
	{statement{"no", "a", "b"}, statement{}, statement{"some", "b", "a"}, false, "None of the {a} is {b}, so no {b} is {a}"},
	{statement{"all", "a", "b"}, statement{}, statement{"some", "a", "b"}, true, "Every {a} is {b}, so some are"},
	{statement{"all", "a", "b"}, statement{}, statement{"no", "a", "b"}, false, "Every {a} is {b}"},
}

// converseTask asks what follows from one premise.
func converseTask(s source) *task {
	f := pick(s, converses)
	names := pickN(s, classes, 2)
	terms := map[string]string{"a": names[0], "b": names[1]}
	if f.c.subject == "a" && s.chance(0.5) {
		terms["b"] = pick(s, properties)
	}
	premise, conclusion := f.p1.say(terms), f.c.say(terms)
	question := fmt.Sprintf("are %s %s %s", f.c.quantity, terms[f.c.subject], terms[f.c.predicate])
	user := s.casual(fmt.Sprintf(pick(s, []string{"%[1]s. %[4]s?", "%[1]s. %[4]s?", "If %[2]s, %[3]s?", "If %[2]s, does it follow that %[5]s?", "%[1]s. Does it follow that %[5]s?", "%[1]s. Can we conclude that %[5]s?", "%[1]s, so %[3]s?", "%[1]s. So %[5]s?"}), upperFirst(premise), premise, question, upperFirst(question), conclusion))
	t := &task{skill: "syllogism", user: user}
	t.yesNo(f.valid, map[bool]string{true: "that follows.", false: "that does not follow."}[f.valid])
	var l letters
	var spoken, brief []string
	for _, st := range []statement{f.p1, f.c} {
		x, y := terms[st.subject], terms[st.predicate]
		spoken = append(spoken, upperFirst(fmt.Sprintf("%s %s %s are %s %s", st.quantity, x, l.of(x), y, l.of(y))))
		brief = append(brief, fmt.Sprintf("%s %s %s", st.quantity, l.of(x), l.of(y)))
	}
	t.think = thinkLogic(spoken, brief, f.valid, strings.NewReplacer("{a}", terms["a"], "{b}", terms["b"]).Replace(f.why))
	return t
}

// ranks are what people are compared by: more, most, less and least of it.
var ranks = [][4]string{{"taller", "tallest", "shorter", "shortest"}, {"older", "oldest", "younger", "youngest"}, {"faster", "fastest", "slower", "slowest"}, {"bigger", "biggest", "smaller", "smallest"}, {"richer", "richest", "poorer", "poorest"}, {"stronger", "strongest", "weaker", "weakest"}}

// rankTask puts three people in order by two comparisons.
func rankTask(s source) *task {
	who, rank := pickN(s, persons, 3), pick(s, ranks)
	if s.chance(0.1) {
		for i := range who {
			who[i] = strings.ToLower(who[i])
		}
	}
	// who is in order, the first with the most. Each premise is said as more or as less.
	premise := func(i int) string {
		if s.chance(0.25) {
			return fmt.Sprintf("%s is %s than %s", who[i+1], rank[2], who[i])
		}
		return fmt.Sprintf("%s is %s than %s", who[i], rank[0], who[i+1])
	}
	p := []string{premise(0), premise(1)}
	if s.chance(0.4) {
		p[0], p[1] = p[1], p[0]
	}
	order := fmt.Sprintf("%s, then %s, then %s", who[0], who[1], who[2])
	facts := fmt.Sprintf(pick(s, []string{"%s. %s.", "%s and %s.", "If %s and %s,", "%s, %s."}), p[0], p[1])
	t := &task{skill: "syllogism"}
	var ask, said string
	if s.chance(0.7) {
		i := pick(s, []int{0, 0, 2})
		most := rank[1]
		if i == 2 {
			most = rank[3]
		}
		ask = pick(s, []string{"Who is the %s?", "Who is the %s?", "Who is %s?", "Who's the %s?", "Which of them is the %s?", "Who is the %s of them?"})
		ask = fmt.Sprintf(ask, most)
		t.final, t.short = fmt.Sprintf("%s is the %s.", who[i], most), who[i]
		t.want, said = want{Kind: kindText, Value: t.final}, fmt.Sprintf("%s is %s", upperFirst(most), who[i])
	} else {
		x, y := 0, 2
		if s.chance(0.5) {
			x, y = 2, 0
		}
		ask = fmt.Sprintf("Is %s %s than %s?", who[x], rank[0], who[y])
		t.yesNo(x < y, fmt.Sprintf("%s is %s than %s.", who[0], rank[0], who[2]))
		said = fmt.Sprintf("%s is before %s", who[0], who[2])
	}
	if strings.HasSuffix(facts, ",") {
		ask = lowerFirst(ask)
	}
	t.user = s.casual(facts + " " + ask)
	t.think = func(e effort) string {
		brief := fmt.Sprintf("From %s down: %s. %s.", rank[1], order, said)
		return [...]string{brief, upperFirst(p[0]) + ", " + p[1] + ". " + brief, upperFirst(p[0]) + ", " + p[1] + ". " + brief + " Check: " + p[0] + ", " + p[1] + ", yes."}[e]
	}
	return t
}

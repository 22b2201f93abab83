package main

import (
	"fmt"
	"strconv"
	"strings"
)

// A measure is how many of a small unit one large unit has.
type measure struct {
	one, big, small string
	factor          int
}

// scales are measures that the model converts between.
var scales = []measure{
	{"week", "weeks", "days", 7}, {"hour", "hours", "minutes", 60}, {"minute", "minutes", "seconds", 60}, {"day", "days", "hours", 24}, {"dozen", "dozen", "pieces", 12}, {"year", "years", "months", 12}, {"foot", "feet", "inches", 12}, {"yard", "yards", "feet", 3}, {"gallon", "gallons", "quarts", 4},
	{"kilometer", "kilometers", "meters", 1000}, {"meter", "meters", "centimeters", 100}, {"centimeter", "centimeters", "millimeters", 10}, {"kilogram", "kilograms", "grams", 1000}, {"decade", "decades", "years", 10}, {"century", "centuries", "years", 100}, {"dollar", "dollars", "cents", 100}, {"liter", "liters", "milliliters", 1000}, {"hour", "hours", "minutes", 60}, {"day", "days", "hours", 24}, {"week", "weeks", "days", 7},
}

// short are abbreviations of units.
var short = map[string]string{"kilometers": "km", "meters": "m", "centimeters": "cm", "millimeters": "mm", "kilograms": "kg", "grams": "g", "kilometer": "km", "meter": "m", "centimeter": "cm", "kilogram": "kg", "minutes": "min", "liters": "l", "milliliters": "ml", "liter": "l"}

// facts are measures that are known by heart.
var facts = []measure{
	{"week", "", "days", 7}, {"year", "", "months", 12}, {"year", "", "days", 365}, {"year", "", "weeks", 52}, {"leap year", "", "days", 366}, {"day", "", "hours", 24}, {"hour", "", "minutes", 60}, {"minute", "", "seconds", 60}, {"hour", "", "seconds", 3600}, {"day", "", "minutes", 1440}, {"dozen", "", "pieces", 12}, {"foot", "", "inches", 12}, {"yard", "", "feet", 3},
	{"kilometer", "", "meters", 1000}, {"meter", "", "centimeters", 100}, {"meter", "", "millimeters", 1000}, {"centimeter", "", "millimeters", 10}, {"kilogram", "", "grams", 1000}, {"decade", "", "years", 10}, {"century", "", "years", 100}, {"dollar", "", "cents", 100}, {"liter", "", "milliliters", 1000}, {"weekend", "", "days", 2}, {"alphabet", "", "letters", 26}, {"season", "", "months", 3}, {"millennium", "", "years", 1000}, {"ton", "", "kilograms", 1000},
	{"week", "", "days", 7}, {"year", "", "months", 12}, {"day", "", "hours", 24}, {"year", "", "days", 365},
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) || noun == "hour" {
		return "an " + noun
	}
	return "a " + noun
}

// unitTask converts between units, counts days of the week and months, or asks for what is known of them.
func unitTask(s source) *task {
	switch x := s.Float64(); {
	case x < 0.3:
		return calendarTask(s, "day", days, 12)
	case x < 0.44:
		return calendarTask(s, "month", months, 9)
	case x < 0.6:
		return factTask(s)
	case x < 0.68:
		return rowTask(s)
	case x < 0.8:
		return smallTask(s)
	}
	return bigTask(s)
}

// units are the names of a measure as they are written in a question.
func (s source) units(u measure) (one, big, small string) {
	one, big, small = u.one, u.big, u.small
	brief := func(name string, p float64) string {
		if b, ok := short[name]; ok && s.chance(p) {
			return b
		}
		return name
	}
	p := 0.15
	if s.chance(0.35) { // mostly both or none
		p = 0.75
	}
	return brief(one, p), brief(big, p), brief(small, p)
}

// bigTask converts a large unit to a small one.
func bigTask(s source) *task {
	u := pick(s, scales)
	n := s.between(2, 60)
	if u.factor > 9 {
		n = s.between(2, 12)
	}
	_, big, small := s.units(u)
	asked := fmt.Sprint(n)
	if n <= 20 && s.chance(0.1) {
		asked = numeral(n)
	}
	user := s.ask([]string{"How many %[3]s are in %[1]s %[2]s?", "How many %[3]s in %[1]s %[2]s?", "How many %[3]s are %[1]s %[2]s?", "How many %[3]s are there in %[1]s %[2]s?", "Convert %[1]s %[2]s to %[3]s.", "Convert %[1]s %[2]s into %[3]s.", "What is %[1]s %[2]s in %[3]s?", "What are %[1]s %[2]s in %[3]s?", "%[1]s %[2]s in %[3]s?", "%[1]s %[2]s in %[3]s", "%[1]s %[2]s to %[3]s", "%[1]s %[2]s = ? %[3]s", "%[1]s %[2]s is how many %[3]s?", "How many %[3]s do %[1]s %[2]s have?", "Change %[1]s %[2]s to %[3]s.", "%[1]s %[2]s are how many %[3]s?"}, asked, big, small)
	return numberTask("units", user, func(e effort) string {
		return fmt.Sprintf("%s to %s: times %d. %d * %d: ", upperFirst(u.big), u.small, u.factor, n, u.factor) + thinkMul(n, u.factor, e)
	}, fmt.Sprintf("%d %s are %d %s.", n, u.big, n*u.factor, u.small), n*u.factor)
}

// smallTask converts a small unit to a large one, or refuses where that isn't whole.
func smallTask(s source) *task {
	u := pick(s, scales)
	_, big, small := s.units(u)
	n := s.between(2, 10)
	if u.factor < 13 {
		n = s.between(2, 40)
	}
	a := n * u.factor
	if u.factor < 100 && s.chance(0.12) {
		a = s.between(u.factor+1, 9*u.factor)
	}
	user := s.ask([]string{"How many %[3]s are %[1]d %[2]s?", "Convert %[1]d %[2]s to %[3]s.", "Convert %[1]d %[2]s into %[3]s.", "What is %[1]d %[2]s in %[3]s?", "What are %[1]d %[2]s in %[3]s?", "%[1]d %[2]s in %[3]s?", "%[1]d %[2]s in %[3]s", "%[1]d %[2]s to %[3]s", "How many %[3]s are in %[1]d %[2]s?", "How many %[3]s is %[1]d %[2]s?", "%[1]d %[2]s is how many %[3]s?", "How many %[3]s in %[1]d %[2]s?", "Change %[1]d %[2]s to %[3]s."}, a, small, big)
	rule := fmt.Sprintf("%s to %s: by %d. ", upperFirst(u.small), u.big, u.factor)
	think := func(e effort) string {
		switch {
		case u.factor >= 100: // only whole ones, whose zeros go
			zeros := strconv.Itoa(u.factor)[1:]
			said := fmt.Sprintf("%d without %d zeros is %d.", a, len(zeros), n)
			return rule + [...]string{said, spell(a, width(a)) + ". " + said, spell(a, width(a)) + ". " + said + " Again: " + said}[e]
		case u.factor > 12:
			return rule + thinkSteps(a, u.factor, e)
		}
		return rule + thinkDivide(a, u.factor, e)
	}
	if a%u.factor != 0 {
		return limited("units", user, limitUnits, func(e effort) string {
			if u.factor > 12 {
				return think(e)
			}
			return think(e) + " Not whole."
		})
	}
	return numberTask("units", user, think, fmt.Sprintf("%d %s are %d %s.", a, u.small, a/u.factor, u.big), a/u.factor)
}

// factTask asks for how many of a small unit a large one has, or how many days a month has.
func factTask(s source) *task {
	if s.chance(0.3) {
		i := s.IntN(12)
		n := []int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[i]
		final := fmt.Sprintf("%s has %d days.", months[i], n)
		if n == 28 {
			final = "February has 28 days, 29 in a leap year."
		}
		t := numberTask("units", s.lower(s.ask([]string{"How many days does %s have?", "How many days are in %s?", "How many days are there in %s?", "How many days in %s?", "Days in %s?", "How many days has %s?", "How long is %s?", "Number of days in %s", "How many days are in the month of %s?"}, months[i])), knowing(fmt.Sprintf("%s has %d days", months[i], n)), final, n)
		t.want.Kind = kindFirstNumber
		return t
	}
	u := pick(s, facts)
	one, _, small := s.units(u)
	with := article(one)
	if one == "alphabet" || s.chance(0.08) {
		with = map[bool]string{true: "the ", false: "one "}[one == "alphabet"] + one
	}
	return numberTask("units", s.ask([]string{"How many %[2]s are in %[1]s?", "How many %[2]s are in %[1]s?", "How many %[2]s in %[1]s?", "How many %[2]s are there in %[1]s?", "How many %[2]s does %[1]s have?", "How many %[2]s has %[1]s?", "%[2]s in %[1]s?", "%[2]s in %[1]s", "Number of %[2]s in %[1]s", "What is the number of %[2]s in %[1]s?", "How many %[2]s make %[1]s?"}, with, small),
		knowing(fmt.Sprintf("One %s has %d %s", u.one, u.factor, u.small)), fmt.Sprintf("There are %d %s in one %s.", u.factor, u.small, u.one), u.factor)
}

// knowing is the reasoning where a fact is known by heart.
func knowing(fact string) func(effort) string {
	return func(e effort) string {
		return [...]string{fact + ".", "I know this. " + fact + ".", "I know this. " + fact + ". Check: " + lowerFirst(fact) + ", yes."}[e]
	}
}

// lower writes a question without capitals now and then, names included.
func (s source) lower(q string) string {
	if s.chance(0.25) {
		return strings.ToLower(q)
	}
	return q
}

var ordinals = []string{"first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"}

// rowTask names all days or months, or the one at a place.
func rowTask(s source) *task {
	names, unit, of := days, "day", "week"
	if s.chance(0.5) {
		names, unit, of = months, "month", "year"
	}
	if s.chance(0.4) {
		final := strings.Join(names, ", ")
		return &task{skill: "units", user: s.ask([]string{"Name the " + unit + "s of the %s.", "List the " + unit + "s of the %s.", "What are the " + unit + "s of the %s?", "Name all " + unit + "s of the %s.", "List all " + unit + "s of the %s.", "Tell me the " + unit + "s of the %s.", "Which " + unit + "s does the %s have?", "What are the names of the " + unit + "s of the %s?", "Say the " + unit + "s of the %s.", "All " + unit + "s of the %s", unit + "s of the %s"}, of),
			final: final, short: strings.Join(names, " "), want: want{Kind: kindText, Value: final}, think: func(e effort) string {
				said := fmt.Sprintf("All %ss from %s to %s", unit, names[0], names[len(names)-1])
				return [...]string{said + ".", "I know these. " + said + ".", "I know these. " + said + fmt.Sprintf(". There are %d.", len(names))}[e]
			}}
	}
	i := s.IntN(len(names))
	line := func(label string) string { return positions(names[:i+1], label, false) }
	final := fmt.Sprintf("The %s %s is %s.", ordinals[i], unit, names[i])
	return &task{skill: "units", user: s.ask([]string{"What is the %s " + unit + " of the " + of + "?", "Which " + unit + " is the %s of the " + of + "?", "What's the %s " + unit + " of the " + of + "?", "Name the %s " + unit + " of the " + of + ".", "The %s " + unit + " of the " + of + "?", "Which is the %s " + unit + "?", "What is the name of the %s " + unit + " of the " + of + "?"}, ordinals[i]),
		final: final, short: names[i], want: want{Kind: kindLastWord, Value: names[i]}, think: func(e effort) string {
			said := fmt.Sprintf("%s is %d. ", upperFirst(ordinals[i]), i+1)
			return [...]string{said + line("") + ".", said + upperFirst(line(unit+" ")) + ", so " + names[i] + ".", said + upperFirst(line(unit+" ")) + ", so " + names[i] + ". Again: " + line("") + "."}[e]
		}}
}

// nextPhrases ask for the day or month after or before one; {u} is day or month, %s its name.
var nextPhrases = map[string][]string{
	"after":      {"What {u} comes after %s?", "What {u} is after %s?", "Which {u} comes after %s?", "Which {u} is after %s?", "Which {u} follows %s?", "What {u} follows %s?", "What comes after %s?", "The {u} after %s?", "{u} after %s", "What is the {u} after %s?", "What's the {u} after %s?", "What is the next {u} after %s?", "What's after %s?", "What {u} comes next after %s?", "Which {u} comes right after %s?"},
	"before":     {"What {u} comes before %s?", "What {u} is before %s?", "Which {u} comes before %s?", "Which {u} is before %s?", "What comes before %s?", "The {u} before %s?", "{u} before %s", "What is the {u} before %s?", "What's the {u} before %s?", "What's before %s?", "Which {u} comes right before %s?", "Which {u} precedes %s?", "What {u} was before %s?"},
	"tomorrow":   {"If today is %s, what day is tomorrow?", "Today is %s. What day is tomorrow?", "If today is %s what is tomorrow?", "Today is %s, what is tomorrow?", "It is %s today. What day is it tomorrow?", "If it is %s today, what day will tomorrow be?", "What day is tomorrow if today is %s?", "If today is %s then tomorrow is?", "Tomorrow is what day if today is %s?"},
	"yesterday":  {"If today is %s, what day was yesterday?", "Today is %s. What day was yesterday?", "If today is %s what was yesterday?", "It is %s today. What day was it yesterday?", "What day was yesterday if today is %s?", "Today is %s, what was yesterday?"},
	"overmorrow": {"If today is %s, what day is the day after tomorrow?", "Today is %s. What is the day after tomorrow?", "If today is %s, what day is it in two days?", "What is the day after tomorrow if today is %s?"},
	"month":      {"If this month is %s, what is next month?", "It is %s. What is the next month?", "This month is %s. What month is next?"},
}

// calendarTask goes some days or months on or back from one that has a name.
func calendarTask(s source, unit string, names []string, most int) *task {
	start, n := s.IntN(len(names)), s.between(1, most)
	near := s.chance(0.4)
	if near {
		n = 1
	}
	word := "after"
	q := []string{"What {u} is %[1]s {us} after %[2]s?", "Which {u} is %[1]s {us} after %[2]s?", "What {u} comes %[1]s {us} after %[2]s?", "Today is %[2]s. What {u} is it in %[1]s {us}?", "If today is %[2]s, what {u} is it in %[1]s {us}?",
		"It is %[2]s. Which {u} is it in %[1]s {us}?", "It is %[2]s now. What {u} will it be in %[1]s {us}?", "%[1]s {us} after %[2]s?", "%[1]s {us} after %[2]s", "Which {u} comes %[1]s {us} after %[2]s?", "What {u} will it be %[1]s {us} after %[2]s?", "If it's %[2]s, what {u} will it be in %[1]s {us}?", "What {u} is it %[1]s {us} after %[2]s?", "What {u} is %[1]s {us} from %[2]s?", "What {u} will it be %[1]s {us} from %[2]s?"}
	if s.chance(0.35) {
		word = "before"
		q = []string{"What {u} is %[1]s {us} before %[2]s?", "Which {u} is %[1]s {us} before %[2]s?", "It is %[2]s. What {u} was it %[1]s {us} ago?", "If it is %[2]s, what {u} was it %[1]s {us} ago?", "Today is %[2]s. What {u} was it %[1]s {us} ago?", "%[1]s {us} before %[2]s?", "%[1]s {us} before %[2]s", "What {u} was %[1]s {us} before %[2]s?", "If today is %[2]s, what {u} was it %[1]s {us} ago?", "What {u} comes %[1]s {us} before %[2]s?"}
	}
	if near {
		key := word
		switch {
		case unit == "day" && word == "after" && s.chance(0.4):
			key = "tomorrow"
			if s.chance(0.2) {
				key, n = "overmorrow", 2
			}
		case unit == "day" && word == "before" && s.chance(0.4):
			key = "yesterday"
		case unit == "month" && word == "after" && s.chance(0.15):
			key = "month"
		}
		q = []string{strings.ReplaceAll(pick(s, nextPhrases[key]), "%s", "%[2]s") + "%.0[1]s"}
	}
	step := 1
	if word == "before" {
		step = len(names) - 1
	}
	units := unit + "s"
	if n == 1 {
		units = unit
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
	asked := fmt.Sprint(n)
	if s.chance(0.15) {
		asked = numeral(n)
	}
	question := strings.NewReplacer("{us}", units, "{u}", unit).Replace(pick(s, q))
	what := fmt.Sprintf("%d %s %s %s", n, units, word, names[start])
	return &task{skill: "units", user: s.lower(s.casual(upperFirst(fmt.Sprintf(question, asked, names[start])))), final: what + " is " + name + ".", short: name, want: want{Kind: kindLastWord, Value: name}, think: func(e effort) string {
		switch e {
		case low:
			return what + ": " + line("") + "."
		case medium:
			return what + ": " + line(unit+" ") + ", so " + name + "."
		}
		return what + ": " + line(unit+" ") + ", so " + name + ". Again: " + line("") + ", so " + name + "."
	}}
}

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// What the model says where a question is of a kind that it knows, but beyond what it can do.
const (
	limitSum      = "I can't do that: I add and subtract whole numbers of up to four digits."
	limitMultiply = "I can't do that: I multiply whole numbers of up to two digits."
	limitDivide   = "I can't do that: I divide whole numbers by numbers up to 12."
	limitPercent  = "I can't do that: I know simple percentages that are whole numbers."
	limitCompare  = "I can't do that: I compare whole numbers of up to four digits."
	limitUnits    = "I can't do that: I convert simple units to whole numbers."
	limitSpelling = "I can't do that: I do not know the letters of that word."
	limitList     = "I can't do that: I sort up to six whole numbers of up to three digits."
)

// limited is a refusal that says what the limit is.
func limited(skill, user, limit string, think func(effort) string) *task {
	return &task{skill: skill, user: user, final: limit, short: limit, want: want{Kind: kindRefusal}, think: think}
}

// because is the reasoning of a refusal whose reason can be seen at once.
func because(reason string) func(effort) string {
	return func(e effort) string {
		return [...]string{reason + ".", reason + ". That is too much for me.", reason + ". That is too much for me. Check: yes, " + lowerFirst(reason) + ", so I say what I can do."}[e]
	}
}

// askText fills templates for numbers with texts.
func (s source) askText(templates []string, a, b string) string {
	t := strings.NewReplacer("%d", "%s", "[1]d", "[1]s", "[2]d", "[2]s").Replace(pick(s, templates))
	return s.casual(fmt.Sprintf(t, a, b))
}

// long is a number of lo to hi digits.
func (s source) long(lo, hi int) string {
	b := []byte{byte('1' + s.IntN(9))}
	for n := s.between(lo, hi); len(b) < n; {
		b = append(b, byte('0'+s.IntN(10)))
	}
	if s.chance(0.1) && len(b) > 3 { // with commas between thousands
		for i := len(b) - 3; i > 0; i -= 3 {
			b = slices.Insert(b, i, ',')
		}
	}
	return string(b)
}

// decimal is a number with a point.
func (s source) decimal() string { return fmt.Sprintf("%d.%d", s.number(2), s.number(2)) }

// limitTask is a question of a known kind, in the phrases of that kind, that the model can't answer. So it sees both sides of each limit.
func (m *mix) limitTask() *task {
	t := m.beyond()
	t.skill = "limits"
	return t
}

func (m *mix) beyond() *task {
	s := m.source
	switch s.IntN(10) {
	case 0:
		return longSum(s)
	case 1:
		return longProduct(s)
	case 2:
		return longQuotient(s)
	case 3:
		return longCompare(s)
	case 4:
		return deepTerm(s)
	case 5, 6:
		return m.strangeWord()
	case 7:
		return strangeUnit(s, m.strange)
	case 8:
		return longList(s)
	}
	return higher(s)
}

const (
	tooLong  = "The numbers are too long"
	notWhole = "Not whole numbers"
)

func longSum(s source) *task {
	op := operands[s.IntN(2)]
	small := fmt.Sprint(s.operand())
	a, b, why := s.long(5, 9), s.long(5, 9), tooLong
	switch s.IntN(4) {
	case 0:
		b = small
	case 1:
		a = small
	case 2:
		a, b, why = s.decimal(), s.decimal(), notWhole
		if s.chance(0.3) {
			b = small
		} else if s.chance(0.3) {
			a = small
		}
	}
	if s.chance(0.08) { // commas between thousands
		comma := func() string { return fmt.Sprintf("%d,%03d", s.between(1, 20), s.IntN(1000)) }
		a, b, why = comma(), comma(), tooLong
		if s.chance(0.3) {
			b = small
		}
	}
	if s.chance(0.06) { // fractions
		a, b, why = fmt.Sprintf("%d/%d", s.between(1, 9), s.between(2, 12)), fmt.Sprintf("%d/%d", s.between(1, 9), s.between(2, 12)), notWhole
		op = []string{"%d + %d", "%d - %d", "What is %d + %d?", "What is %d - %d?", "What is %d plus %d?"}
	}
	return limited("limits", s.askText(op, a, b), limitSum, because(why))
}

func longProduct(s source) *task {
	a, b, why := fmt.Sprint(s.between(101, 999)), fmt.Sprint(s.between(11, 99)), tooLong
	switch s.IntN(5) {
	case 0:
		b = fmt.Sprint(s.between(101, 999))
	case 1:
		a, b = s.long(4, 7), fmt.Sprint(s.between(2, 999))
	case 2:
		a, b, why = s.decimal(), fmt.Sprint(s.number(2)), notWhole
	case 3:
		a, b = s.long(4, 5), s.long(3, 5)
	}
	if s.chance(0.5) {
		a, b = b, a
	}
	return limited("limits", s.askText(operands[2], a, b), limitMultiply, because(why))
}

func longQuotient(s source) *task {
	d := s.between(13, 999)
	for canDivide(d) {
		d++
	}
	if s.chance(0.5) {
		d = s.between(13, 99)
		for canDivide(d) {
			d++
		}
	}
	a, b, why := fmt.Sprint(d*s.between(1, 12)), fmt.Sprint(d), "The divisor is too large"
	switch s.IntN(6) {
	case 0:
		a, b, why = fmt.Sprint(s.number(3)), "0", "Nothing can be divided by 0"
	case 1:
		a, b, why = s.decimal(), fmt.Sprint(s.between(2, 12)), notWhole
	case 2:
		a, b, why = s.long(5, 8), fmt.Sprint(s.between(2, 12)), tooLong
	case 3:
		a = fmt.Sprint(s.number(4))
	case 4: // percentages
		p := pick(s, []string{fmt.Sprint(s.between(101, 400)), s.decimal(), fmt.Sprint(pick(s, []int{1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 17, 18, 19, 22, 24, 33, 35, 37, 42, 45, 55, 65, 66, 85, 95, 99}))})
		return limited("limits", s.askText([]string{"What is %d%% of %d?", "%d%% of %d", "What is %d percent of %d?", "%d percent of %d", "How much is %d%% of %d?", "Calculate %d%% of %d.", "What's %d%% of %d?"}, p, fmt.Sprint(s.number(4))), limitPercent, because("I know no way to that percentage"))
	}
	return limited("limits", s.askText(operands[3], a, b), limitDivide, because(why))
}

func longCompare(s source) *task {
	a, b, why := s.long(5, 8), s.long(5, 8), tooLong
	switch s.IntN(4) {
	case 0:
		b = fmt.Sprint(s.operand())
	case 1, 2:
		n := s.number(2)
		a, b, why = fmt.Sprintf("%d.%d", n, s.number(2)), fmt.Sprintf("%d.%d", n, s.number(2)), notWhole
		if s.chance(0.3) {
			b = s.decimal()
		} else if s.chance(0.2) {
			b = fmt.Sprint(s.number(2))
		}
	}
	phrases := append(slices.Clone(largerOf), smallerOf...)
	for _, word := range []string{"greater", "larger", "bigger", "less", "smaller", "more"} {
		phrases = append(phrases, "Is %d "+word+" than %d?", "Is %d "+word+" than %d?")
	}
	phrases = append(phrases, "Is %d > %d?", "Is %d < %d?", "%d > %d?", "Is %d equal to %d?")
	return limited("limits", s.askText(phrases, a, b), limitCompare, because(why))
}

// deepTerm is a term with more operations, or others, than the model works out.
func deepTerm(s source) *task {
	n := func() string { return fmt.Sprint(s.between(1, 20)) }
	var text string
	switch s.IntN(5) {
	case 0: // many
		text = n()
		for range s.between(6, 9) {
			text += pick(s, []string{" + ", " + ", " - "}) + n()
		}
	case 1: // a quotient with another operation
		text = fmt.Sprintf("%s / %s %s %s", n(), n(), pick(s, []string{"+", "-", "*", "/"}), n())
		if s.chance(0.5) {
			text = fmt.Sprintf("%s %s %s / %s", n(), pick(s, []string{"+", "-", "*"}), n(), n())
		}
	case 2: // products and sums of four numbers
		text = fmt.Sprintf("%s * %s + %s * %s", n(), n(), n(), n())
		if s.chance(0.5) {
			text = fmt.Sprintf("(%s + %s) * (%s - %s)", n(), n(), n(), n())
		}
	case 3:
		text = fmt.Sprintf("%s * (%s + %s) - %s", n(), n(), n(), n())
		if s.chance(0.5) {
			text = fmt.Sprintf("(%s + %s) / %s", n(), n(), n())
		}
	case 4:
		text = fmt.Sprintf("%s %s %s", pick(s, []string{"one hundred", "a hundred", "one thousand", "two hundred", "a million", "five hundred", "half"}), pick(s, []string{"plus", "minus", "times", "divided by"}), pick(s, numerals[1:]))
	}
	if s.chance(0.3) {
		text = strings.ReplaceAll(text, " ", "")
	}
	return limited("limits", s.ask(bareTerms, text), refusal, because("This term is too deep"))
}

// higher is mathematics that the model does not know, in phrases like those that it does.
var highers = []string{"What is the square root of %[1]d?", "square root of %[1]d", "sqrt(%[1]d)", "√%[1]d", "What's the root of %[1]d?", "the square root of %[1]d is?", "cube root of %[1]d", "%[2]d^%[3]d", "What is %[2]d^%[3]d?", "%[2]d to the power of %[3]d", "%[2]d to the power of %[3]d?", "%[2]d**%[3]d", "What is %[2]d to the %[3]dth power?", "2^%[1]d", "10^%[3]d", "%[2]d cubed", "What is %[2]d cubed?", "%[2]d!", "%[2]d! =", "What is %[2]d!?", "factorial of %[2]d", "%[2]d factorial",
	"Is %[1]d prime?", "Is %[1]d a prime number?", "is %[1]d a prime", "Is %[1]d prime or not?", "Is the number %[1]d prime?", "Is %[1]d divisible by %[2]d?", "Is %[1]d a multiple of %[2]d?", "Is %[1]d a perfect square?", "Is %[1]d a square number?", "What are the factors of %[1]d?", "Factors of %[1]d", "Prime factors of %[1]d", "x + %[2]d = %[1]d", "solve x + %[2]d = %[1]d", "Solve x - %[2]d = %[1]d", "Solve for x: x + %[2]d = %[1]d", "%[2]dx = %[1]d", "solve %[2]dx + %[3]d = %[1]d", "what is x if x + %[2]d = %[1]d", "find x: %[2]d x = %[1]d", "x^2 = %[1]d", "x = %[1]d + %[2]d",
	"log(%[1]d)", "sin(%[1]d)", "cos %[1]d", "sine of %[1]d", "ln %[1]d", "derivative of x^%[3]d", "integral of %[2]dx", "integrate x^%[3]d", "what is the integral of x^%[3]d", "differentiate x^%[3]d", "mean of %[1]d and %[2]d", "average of %[1]d, %[2]d and %[3]d", "What is the average of %[1]d and %[2]d?", "What is the median of %[1]d, %[2]d, %[3]d?", "Round %[1]d to the nearest ten.", "round %[2]d.%[3]d", "%[1]d mod %[2]d", "%[1]d %% %[2]d", "gcd of %[1]d and %[2]d", "lcm of %[2]d and %[3]d", "Greatest common divisor of %[1]d and %[2]d",
	"%[1]d in binary", "Convert %[1]d to binary", "%[1]d in hex", "%[1]d in roman numerals", "What is %[1]d as a fraction?", "Is %[1]d a lucky number?", "What is the next number: %[3]d, %[2]d, %[1]d?", "What comes next: %[3]d, %[2]d, %[1]d?", "%[3]d, %[2]d, %[1]d, ...", "Count to %[1]d", "Count from %[2]d to %[1]d.", "Give me a number between %[2]d and %[1]d.", "Pick a number from %[2]d to %[1]d.", "random number", "%[1]d", "%[1]d?", "%[1]d %[2]d", "What is %[1]d?", "tell me about %[1]d", "How many digits does %[1]d have?", "Write %[1]d in words.", "the area of a circle with radius %[2]d", "area of a square with side %[2]d", "pi times %[2]d",
	"%[2]d + x", "a + b", "x * y", "%[1]d + ", "+ %[1]d", "%[1]d +", "* %[1]d", "%[1]d * ?", "? + %[2]d = %[1]d", "What plus %[2]d is %[1]d?", "%[2]d plus what is %[1]d?", "How many times is %[1]d more than %[2]d?", "infinity plus %[1]d", "infinity", "What is the largest number?", "What is the biggest prime number below %[1]d?", "the %[2]dth prime", "fibonacci of %[2]d", "the %[2]dth fibonacci number", "%[1]d degrees in radians", "%[2]d choose %[3]d", "|-%[1]d|", "absolute value of -%[1]d", "%[2]d out of %[1]d in percent", "What percent of %[1]d is %[2]d?", "%[2]d is what percent of %[1]d?", "Increase %[1]d by %[2]d%%.", "%[2]d%% off %[1]d", "%[1]d minus %[2]d%%", "%[1]d + %[2]d%%", "%[1]d - %[2]d%%", "A %[2]d%% tip on %[1]d?", "%[2]d percent more than %[1]d",
	"What is the sum of %[3]d to %[1]d?", "Sum of the numbers from %[3]d to %[1]d", "Add all numbers from %[3]d to %[1]d.", "sum of the first %[2]d numbers", "What is the sum of all numbers up to %[1]d?", "sum from 1 to %[1]d", "Add the numbers 1 to %[1]d.", "1 + 2 + ... + %[1]d", "double %[2]d plus %[3]d", "half of %[1]d plus %[2]d", "twice %[2]d minus %[3]d", "%[2]d plus %[3]d squared", "the square of %[2]d plus %[3]d", "sum of %[2]d and %[3]d times %[2]d", "%[2]d squared plus %[3]d squared", "What is half of half of %[1]d?",
	"plus %[2]d", "minus %[2]d", "times %[2]d", "add %[2]d", "now add %[2]d", "and %[2]d?", "what about %[2]d?", "multiply that by %[2]d", "divide it by %[3]d", "double that", "now subtract %[2]d", "the same with %[2]d", "and times %[3]d?", "%[2]d:30", "at %[3]d:15", "Is %[1]d between %[2]d and %[3]d?", "Is %[2]d + %[3]d greater than %[1]d?", "Which is larger, %[2]d + %[3]d or %[1]d?", "Is %[2]d * %[3]d more than %[1]d?", "%[2]d < x < %[1]d", "Is %[1]d at least %[2]d?", "What is %[2]d plus?", "%[2]d, %[3]d", "%[2]d and", "What is 1,%[1]d + 2?", "What is the opposite of %[1]d?", "%[3]d/%[2]d of %[1]d", "two thirds of %[1]d", "three quarters of %[1]d", "a dozen times %[3]d", "Increase %[1]d by %[2]d percent."}

func higher(s source) *task {
	text := strings.NewReplacer("%[1]d", fmt.Sprint(s.number(3)), "%[2]d", fmt.Sprint(s.between(2, 20)), "%[3]d", fmt.Sprint(s.between(3, 12)), "%%", "%").Replace(pick(s, highers))
	return refuse(s.casual(text))
}

// strangeWord asks for letters or the order of words that the model does not know the letters of.
func (m *mix) strangeWord() *task {
	s := m.source
	word := m.unspelled()
	var user string
	switch s.IntN(6) {
	case 0, 1:
		user = letterTask(s, strings.ToLower(word)).user
	case 2:
		user = lengthTask(s, word).user
	case 3:
		user = vowelTask(s, word).user
	case 4:
		user = spellTask(s, word).user
	default:
		list := s.apart(s.between(2, 5))
		for i := range s.between(1, 2) {
			list[i] = m.unspelled()
		}
		s.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if len(list) == 2 {
			user = firstWordTask(s, list).user
		} else {
			user = sortWordsTask(s, list).user
		}
	}
	return limited("limits", user, limitSpelling, because("I do not know the letters of all words here"))
}

// unspelled is a word that is none of spelled: a strange one, an ordinary one, or one that does not exist.
func (m *mix) unspelled() string {
	for {
		var word string
		switch m.IntN(5) {
		case 0:
			word = pick(m.source, ordinary)
		case 1:
			word = pick(m.source, classes)
		case 2:
			word = m.strange() + strings.ToLower(m.strange())
		default:
			word = m.strange()
		}
		if m.chance(0.7) {
			word = strings.ToLower(word)
		}
		if !slices.Contains(spelled, strings.ToLower(word)) {
			return word
		}
	}
}

// strangeUnits ask for what only a clock, a calendar or a table of units that the model does not have knows. {x} and {y} are units.
var strangeUnits = []string{"Convert {n} {x} to {y}.", "{n} {x} in {y}", "{n} {x} to {y}", "How many {y} are {n} {x}?", "How many {y} are in {n} {x}?", "How many {y} in {n} {x}?", "What is {n} {x} in {y}?", "How many {y} is {n} {x}?", "How many {y} in a {x}?", "convert {x} to {y}",
	"What day is it?", "What day is it today?", "What day is today?", "What is the date?", "What's the date today?", "What is today's date?", "What time is it?", "what time is it now", "What year is it?", "Which month is it?", "What month is it now?", "What day is tomorrow?", "What day was yesterday?", "what day of the week is it", "Is it {d} today?", "Is today {d}?", "When is Easter?", "When is {d}?", "When is {m}?",
	"How many days until {d}?", "How many days until {m}?", "How many days are left this year?", "How many days are between {d} and {d}?", "How many weeks until {m}?", "What day of the week was {m} {n}, 19{n}?", "What day is {m} {n}?", "On which day is {m} {n}?", "What happened on {m} {n}?", "What day is {big} days after {d}?", "What day is it in {big} days if today is {d}?", "{big} days after {d}", "{big} months after {m}", "What day is {n} weeks after {d}?", "If today is {m} {n}, what is tomorrow?", "What is the day after {m} {n}?",
	"What is the best day of the week?", "Do you like {d}?", "Why is {d} called {d}?", "What does {m} mean?", "What season is {m}?", "Is {m} in winter?", "Is {d} a weekend day?", "How long is a day on Mars?", "How many hours should I sleep?", "How long until {m}?", "How many {d}s are in {m}?", "{d}", "{m}", "{d} {m}", "How many hours are between {n} and {n} o'clock?", "What time is it in {c}?", "How many seconds have passed?", "How many days are in {n} months?", "How many weeks are in {n} months?", "{n} months in days", "{n} weeks in hours", "{n} days in minutes", "{n} days in seconds", "{n} years in days", "{n} hours in seconds", "{n} years in hours", "How many hours are in a week?", "How many minutes are in a week?", "How many seconds are in a day?", "How many hours are in a year?", "How many hours in a month?", "How many seconds are in a year?", "How many minutes are in a year?", "How many days are in a decade?", "How many days are in {n} years?", "How many years are {n} days?", "How many months are {n} days?"}

var strangeScales = strings.Fields("miles km kilometers pounds kg kilograms ounces grams Celsius Fahrenheit dollars euros yen inches cm meters feet liters gallons acres degrees pounds stones knots bytes bits megabytes days meters hours grams minutes weeks kg months miles")

func strangeUnit(s source, random func() string) *task {
	for {
		x, y := pick(s, strangeScales), pick(s, strangeScales)
		if s.chance(0.15) {
			x = random()
		}
		if s.chance(0.15) {
			y = random()
		}
		if related(x, y) {
			continue
		}
		n := s.between(2, 60)
		text := strings.NewReplacer("{x}", x, "{y}", y, "{n}", fmt.Sprint(n), "{big}", fmt.Sprint(s.between(20, 999)), "{d}", pick(s, days), "{m}", pick(s, months), "{c}", pick(s, cities)).Replace(pick(s, strangeUnits))
		return refuse(s.lower(s.casual(text)))
	}
}

// related says whether two units measure the same in a way that the model may know.
func related(x, y string) bool {
	kinds := [][]string{{"km", "kilometers", "meters", "cm"}, {"feet", "inches"}, {"kg", "kilograms", "grams"}, {"days", "hours", "minutes", "weeks", "months", "years"}, {"liters"}, {"gallons"}, {"dollars"}, {"inches", "feet"}}
	return x == y || slices.ContainsFunc(kinds, func(k []string) bool { return slices.Contains(k, x) && slices.Contains(k, y) })
}

// longList is to be sorted, or to have its largest number found, and is too long, or has numbers that are.
func longList(s source) *task {
	n := s.between(3, 5)
	draw, why := func() string { return s.long(4, 6) }, tooLong
	switch s.IntN(4) {
	case 0:
		draw, why = s.decimal, notWhole
	case 1:
		draw, why = func() string { return fmt.Sprint(s.between(-50, 50)) }, "There are negative numbers"
	case 2, 3:
		n = s.between(9, 14)
		draw, why = func() string { return fmt.Sprint(s.number(2)) }, "The list is too long"
	}
	list := make([]string, n)
	for i := range list {
		list[i] = draw()
	}
	if why == "There are negative numbers" && !slices.ContainsFunc(list, func(v string) bool { return v[0] == '-' }) {
		list[s.IntN(n)] = fmt.Sprint(-s.between(1, 50))
	}
	phrases := []string{"Sort %s.", "Sort these numbers: %s", "Sort %s", "Put these numbers in order: %s.", "Order these numbers: %s.", "Sort in ascending order: %s", "Sort from smallest to largest: %s.", "Sort in descending order: %s", "Put %s in order.", "What is the largest number: %s?", "Largest of %s", "Max of %s", "What is the smallest of %s?", "Sort %s descending."}
	return limited("limits", s.ask(phrases, s.series(list)), limitList, because(why))
}

var anyScript = regexp.MustCompile(`^[\p{L}\p{M} ]+$`)

// gibberish is text that means nothing to the model: words of other languages and scripts, code, keys struck at random, signs.
func (m *mix) gibberish() string {
	s := m.source
	var b strings.Builder
	switch s.IntN(6) {
	case 0: // other scripts and languages
		for range s.between(1, 8) {
			b.Write(m.tok.Bytes(pick(s, m.letters)))
			if s.chance(0.15) {
				b.WriteString(pick(s, []string{" ", ", ", "? ", "! ", ". "}))
			}
		}
		text := strings.TrimSpace(b.String())
		if !utf8.ValidString(text) || text == "" {
			return m.gibberish()
		}
		return pick(s, []string{"", "", "", "", "¿", "¡"}) + text + pick(s, []string{"", "", "?", "!", ".", "？", "。"})
	case 1: // keys
		row := pick(s, []string{"asdfghjkl", "qwertyuiop", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"})
		for range s.between(1, 3) {
			if s.chance(0.25) {
				b.WriteString(strings.Repeat(string(row[s.IntN(len(row))]), s.between(2, 12)))
			} else {
				for range s.between(3, 10) {
					b.WriteByte(row[s.IntN(len(row))])
				}
			}
			b.WriteString(pick(s, []string{" ", "", " "}))
		}
		return strings.TrimSpace(b.String())
	case 2: // signs
		for range s.between(1, 6) {
			b.WriteString(pick(s, []string{"?", "!", ".", "...", "#", "*", "&", "@", "$", "%", ":)", ":(", ";", "/", "-", "+", "=", "<", ">", "(", ")", "\"", "~", "^", "_", "\\", "|", "¿", "…", "—"}))
		}
		return b.String()
	case 3: // the same again and again
		return strings.TrimSpace(strings.Repeat(pick(s, []string{m.strange(), "blah", "la", "bla", "do", "na", "x", "foo", "bar"})+pick(s, []string{" ", " ", ", ", ""}), s.between(2, 6)))
	}
	w := func() string {
		if s.chance(0.5) {
			return strings.ToLower(m.strange())
		}
		return pick(s, ordinary)
	}
	n := func() string { return fmt.Sprint(s.number(2)) }
	text := pick(s, code)
	for strings.Contains(text, "{w}") || strings.Contains(text, "{n}") {
		text = strings.Replace(strings.Replace(text, "{w}", w(), 1), "{n}", n(), 1)
	}
	return text
}

var code = []string{"print({w})", `print("{w}")`, "def {w}(x): return x", "def {w}(): pass", "for i in range({n}): print(i)", "for (int i = 0; i < {n}; i++) {", "if ({w} == {n}) { return {w}; }", "SELECT * FROM {w};", "select {w} from {w} where {w} = {n}", "console.log({w});", "console.log('{w}')", "const {w} = {n};", "let {w} = {n} + {n};", "var {w} = [];", "int {w} = {n};", "x = {n}", "x = {n} + {n}", "y = x + {n}", "return {w}", "import {w}", "import {w} from '{w}'", "from {w} import {w}", "#include <{w}.h>", "<div>{w}</div>", "<p>{w}</p>", "<html>", "git {w}", "git push", "sudo {w}", "rm -rf {w}", "ls -la", "cd {w}", "npm install {w}", "pip install {w}", "func {w}() {", "package {w}", "{w}.{w}()", "{w}({n}, {n})", "[{n}, {n}, {n}]", "{\"{w}\": {n}}", "while True: {w}", "printf(\"{w}\");", "System.out.println({w});", "echo {w}", "curl {w}", "lambda x: x + {n}", "https://{w}.com", "www.{w}.com", "{w}@{w}.com", "{w}.py", "/{w}", "--{w}",
	"Write a {w} program.", "Write a Python program that prints {w}.", "Write a function that {w}.", "write code to {w}", "Write a {w} script.", "How do I {w} in Python?", "how do i exit {w}", "fix my code", "fix my {w} code", "Fix this bug: {w}", "What does {w}() do?", "what does {w}.{w} do", "what does this code do: {w}({n})", "Explain this code: {w} = {n}", "debug my {w}", "How do I install {w}?", "how to use {w} in JavaScript", "What is {w} in programming?", "write html for {w}", "Write SQL that counts {w}.", "write a loop in {w}", "hello world in {w}", "print hello world", "write a regex for {w}"}

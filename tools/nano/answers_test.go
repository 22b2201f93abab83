package main

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// These tests read the question as a person would, work the answer out in another way than the generator, and compare.

// drawn calls f with n tasks of a skill, in the rendering of each effort in turn.
func drawn(t *testing.T, name string, n int, f func(q string, k *task)) {
	t.Helper()
	m := newMix(load(t), 31, false)
	i := slices.IndexFunc(skills, func(k skill) bool { return k.name == name })
	for range n {
		k := m.draw(&skills[i])
		f(strings.ToLower(k.user), k)
	}
}

var (
	plainNumber = regexp.MustCompile(`\d+`)
	wordNumber  = regexp.MustCompile(`\b(` + strings.Join([]string{"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}, "|") + `)(-(one|two|three|four|five|six|seven|eight|nine))?\b|\b(zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen)\b`)
)

// wordValue reads a number in words.
func wordValue(w string) int {
	small := map[string]int{"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
		"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
	tens, ones, _ := strings.Cut(w, "-")
	return small[tens] + small[ones]
}

func ints(q string) (list []int) {
	for _, s := range plainNumber.FindAllString(q, -1) {
		n, _ := strconv.Atoi(s)
		list = append(list, n)
	}
	return list
}

// has says whether a question has one of the words.
func has(q string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(q, w) })
}

func wantNumber(t *testing.T, k *task, n int) {
	t.Helper()
	if k.want.Kind != kindNumber || k.want.Value != fmt.Sprint(n) {
		t.Errorf("%q wants %+v (%s), it is %d", k.user, k.want, k.final, n)
	}
}

func TestSums(t *testing.T) {
	drawn(t, "add", 2000, func(q string, k *task) {
		list := ints(q)
		switch {
		case len(list) == 1 && has(q, "after", "follows"):
			wantNumber(t, k, list[0]+1)
		case len(list) == 2 && has(q, "+", "plus", "add", "sum", "and", "increase", "more than", "total") && !has(q, "minus", "times", "differ"):
			wantNumber(t, k, list[0]+list[1])
		default:
			t.Errorf("%q is no sum", k.user)
		}
	})
}

func TestDifferences(t *testing.T) {
	backwards := regexp.MustCompile(`\d+ (away )?from|less than|subtracted from`)
	drawn(t, "subtract", 2000, func(q string, k *task) {
		list := ints(q)
		switch {
		case len(list) == 1 && has(q, "before"):
			wantNumber(t, k, list[0]-1)
		case len(list) != 2:
			t.Errorf("%q is no difference", k.user)
		case has(q, "differ", "diffrence", "how far apart"):
			wantNumber(t, k, max(list[0]-list[1], list[1]-list[0]))
		case backwards.MatchString(q):
			wantNumber(t, k, list[1]-list[0])
		default:
			wantNumber(t, k, list[0]-list[1])
		}
	})
}

func TestProducts(t *testing.T) {
	drawn(t, "multiply", 2000, func(q string, k *task) {
		list := ints(strings.NewReplacer("^2", "²", "two times", "double", "three times", "triple").Replace(q))
		switch {
		case len(list) == 1 && has(q, "double", "twice", "two times"):
			wantNumber(t, k, 2*list[0])
		case len(list) == 1 && has(q, "triple", "three times"):
			wantNumber(t, k, 3*list[0])
		case len(list) == 1:
			wantNumber(t, k, list[0]*list[0])
			if !has(q, "square", "sqare", "²", "^2") {
				t.Errorf("%q is no square", k.user)
			}
		case len(list) == 2 && has(q, "*", "x", "×", "times", "tims", "mul", "product", "produkt"):
			wantNumber(t, k, list[0]*list[1])
		default:
			t.Errorf("%q is no product", k.user)
		}
	})
}

// checkQuotient accepts a whole quotient, one with its remainder, and for what isn't whole a refusal where that is allowed.
func checkQuotient(t *testing.T, k *task, a, d int, refusable bool) {
	t.Helper()
	q, rest := new(big.Int).DivMod(big.NewInt(int64(a)), big.NewInt(int64(d)), new(big.Int))
	switch {
	case rest.Sign() == 0:
		wantNumber(t, k, int(q.Int64()))
	case k.want.Kind == kindRefusal && refusable:
	case k.want.Kind != kindText || !strings.HasSuffix(k.final, fmt.Sprintf(" %s remainder %s", q, rest)):
		t.Errorf("%q wants %+v, it is %s and %s remain", k.user, k.want, q, rest)
	}
}

func TestQuotients(t *testing.T) {
	drawn(t, "divide", 2000, func(q string, k *task) {
		list := ints(q)
		switch {
		case len(list) == 1:
			d := map[bool]int{has(q, "hal"): 2, has(q, "third"): 3, has(q, "quarter", "fourth"): 4}[true]
			checkQuotient(t, k, list[0], d, false)
		case has(q, "go into", "fit into"):
			checkQuotient(t, k, list[1], list[0], list[0] > 12)
		default:
			checkQuotient(t, k, list[0], list[1], list[1] > 12)
		}
	})
}

func TestPercentages(t *testing.T) {
	drawn(t, "percent", 2000, func(q string, k *task) {
		list := ints(q)
		r := big.NewRat(int64(list[0]*list[1]), 100)
		if !r.IsInt() || k.want.Kind == kindRefusal {
			// Where a tenth or a quarter isn't whole, the whole may be: 20 percent of 35 by a fifth is, 30 percent of 150 by a tenth.
			if k.want.Kind != kindRefusal {
				t.Errorf("%q wants %+v, it is %s", k.user, k.want, r)
			}
			return
		}
		n, _ := strconv.Atoi(r.RatString())
		wantNumber(t, k, n)
	})
}

// term evaluates a term with brackets, signs, and * before + and -.
type term struct{ s string }

func (p *term) sum() int {
	v := p.product()
	for p.s != "" && (p.s[0] == '+' || p.s[0] == '-') {
		op := p.s[0]
		p.s = p.s[1:]
		if w := p.product(); op == '+' {
			v += w
		} else {
			v -= w
		}
	}
	return v
}

func (p *term) product() int {
	v := p.factor()
	for strings.HasPrefix(p.s, "*") {
		p.s = p.s[1:]
		v *= p.factor()
	}
	return v
}

func (p *term) factor() int {
	switch {
	case strings.HasPrefix(p.s, "-"):
		p.s = p.s[1:]
		return -p.factor()
	case strings.HasPrefix(p.s, "("):
		p.s = p.s[1:]
		v := p.sum()
		p.s = strings.TrimPrefix(p.s, ")")
		return v
	}
	digits := plainNumber.FindString(p.s)
	p.s = p.s[len(digits):]
	n, _ := strconv.Atoi(digits)
	return n
}

func TestTerms(t *testing.T) {
	operators := strings.NewReplacer("multiplied by", "*", "plus", "+", "pluss", "+", "minuss", "-", "minus", "-", "take away", "-", "times", "*", "tims", "*", "×", "*", "x", "*")
	inside := regexp.MustCompile(`[-( ]*\d[-+*() \d]*`)
	claim := regexp.MustCompile(`(\d+ ?[-+*] ?\d+) ?(?:=|is|make|equal|equal to) ?(-?\d+)`)
	drawn(t, "terms", 2000, func(q string, k *task) {
		if k.want.Kind == kindYesNo {
			x := claim.FindStringSubmatch(q)
			p := term{strings.ReplaceAll(x[1], " ", "")}
			if v := p.sum(); (fmt.Sprint(v) == x[2]) != (k.want.Value == "yes") || !strings.HasSuffix(k.final, fmt.Sprintf(" = %d.", v)) {
				t.Errorf("%q -> %s", k.user, k.final)
			}
			return
		}
		q = wordNumber.ReplaceAllStringFunc(strings.NewReplacer("one more: ", "", "easy one: ", "").Replace(q), func(w string) string { return fmt.Sprint(wordValue(w)) })
		if has(q, "sum", "add", "total", "together") {
			total := 0
			for _, n := range ints(q) {
				total += n
			}
			wantNumber(t, k, total)
			return
		}
		q = operators.Replace(strings.NewReplacer("pluss", "+", "minuss", "-").Replace(q))
		if list := ints(q); len(list) == 2 && strings.Contains(q, fmt.Sprintf("%d and %d", list[0], list[1])) {
			wantNumber(t, k, list[0]+list[1])
			return
		}
		p := term{strings.ReplaceAll(inside.FindString(q), " ", "")}
		p.s = strings.TrimSuffix(strings.TrimSuffix(p.s, "("), "-")
		if v := p.sum(); p.s != "" {
			t.Errorf("%q: %q is left", k.user, p.s)
		} else {
			wantNumber(t, k, v)
		}
	})
}

// Every equation in the reasoning holds: a model that learned false ones would be wrong with confidence.
func TestReasoningHolds(t *testing.T) {
	equation := regexp.MustCompile(`(?:^|[ (:])(\d+(?:[-+*/]\d+)+)=(\d+)(?: rest (\d+))?`)
	quotient := regexp.MustCompile(`^(\d+)/(\d+)$`)
	m := newMix(load(t), 32, false)
	for i := range skills {
		for range 150 {
			k := m.draw(&skills[i])
			for e := range effort(3) {
				for _, x := range equation.FindAllStringSubmatch(k.think(e), -1) {
					want, _ := strconv.Atoi(x[2])
					if q := quotient.FindStringSubmatch(x[1]); q != nil {
						a, _ := strconv.Atoi(q[1])
						d, _ := strconv.Atoi(q[2])
						rest, _ := strconv.Atoi(x[3])
						if want*d+rest != a || rest >= d {
							t.Errorf("%s: %q thinks %q", skills[i].name, k.user, x[0])
						}
						continue
					}
					if p := (&term{x[1]}); p.sum() != want {
						t.Errorf("%s: %q thinks %q", skills[i].name, k.user, x[0])
					}
				}
			}
		}
	}
}

func TestComparisons(t *testing.T) {
	drawn(t, "compare", 2000, func(q string, k *task) {
		list := ints(q)
		yes := func(is bool) {
			t.Helper()
			if (k.want.Value == "yes") != is || k.want.Kind != kindYesNo {
				t.Errorf("%q wants %+v", k.user, k.want)
			}
		}
		switch least := has(q, "small", "smal", "min", "less", "low", "<"); {
		case len(list) == 1 && has(q, "even") && has(q, "odd"):
			if want := []string{"even", "odd"}[list[0]%2]; k.want.Value != want {
				t.Errorf("%q wants %+v", k.user, k.want)
			}
		case len(list) == 1:
			yes(has(q, "even") == (list[0]%2 == 0))
		case len(list) == 2 && has(q, "equal", "same", "=", "r equal"):
			yes(list[0] == list[1])
		case len(list) == 2 && has(q, " than ", " then ", "<", ">"):
			yes(least && list[0] < list[1] || !least && list[0] > list[1])
		default:
			want := slices.Max(list)
			if least {
				want = slices.Min(list)
			}
			if k.want.Kind != kindFirstNumber || k.want.Value != fmt.Sprint(want) {
				t.Errorf("%q wants %+v, it is %d", k.user, k.want, want)
			}
		}
	})
}

var afterWord = regexp.MustCompile(`[^a-z]+`)

// known are a question's words that are spelled, in order.
func known(q string) (list []string) {
	for _, w := range afterWord.Split(q, -1) {
		if slices.Contains(spelled, w) {
			list = append(list, w)
		}
	}
	return list
}

func TestSpelling(t *testing.T) {
	tok := load(t)
	for i, w := range spelled {
		if len(tok.Encode(" "+w)) != 1 || slices.Contains(spelled[:i], w) || len(w) < 2 {
			t.Errorf("%q is not one token, or twice in the list", w)
		}
	}
	which := regexp.MustCompile(`(?:letters? |the |many |of |count |count the |is |does )["']?([a-z])(?:["']?s?|'s| letters)? (?:are|is|in|does|can|appear|occur|letters)`)
	place := regexp.MustCompile(`^The (\w+) letter of \w+ is (\w)\.$`)
	drawn(t, "spelling", 1500, func(q string, k *task) {
		word := ""
		if list := known(q); len(list) > 0 {
			word = list[len(list)-1]
		}
		for _, w := range afterWord.Split(q, -1) { // the word that the answer names, if it is in the question
			if strings.Contains(k.final, " "+w+" ") && slices.Contains(spelled, w) {
				word = w
			}
		}
		letters := strings.Split(word, "")
		switch {
		case k.want.Kind == kindNumber && has(k.final, " vowel.", " vowels."):
			wantNumber(t, k, len(regexp.MustCompile(`[aeiou]`).FindAllString(word, -1)))
		case k.want.Kind == kindNumber && strings.Contains(k.final, " letters."):
			wantNumber(t, k, len(word))
		case k.want.Kind == kindNumber:
			x := which.FindStringSubmatch(strings.NewReplacer("mny", "many", "dose", "does").Replace(q))
			if x == nil {
				t.Errorf("%q: which letter?", k.user)
				return
			}
			wantNumber(t, k, strings.Count(word, x[1]))
		case place.MatchString(k.final):
			x := place.FindStringSubmatch(k.final)
			at := slices.Index(ordinals, x[1])
			if x[1] == "last" {
				at = len(letters) - 1
			}
			if !has(q, x[1]) || x[2] != letters[at] {
				t.Errorf("%q -> %s", k.user, k.final)
			}
		case strings.Contains(k.final, ", "): // a list
			parts := strings.Split(k.final, ", ")
			at := len(q)
			for _, p := range parts {
				if at = strings.LastIndex(q[:at], p); at < 0 {
					t.Errorf("%q -> %s", k.user, k.final)
					return
				}
			}
		default:
			if has(q, "back", "reverse", "around") {
				slices.Reverse(letters)
			}
			if ok := slices.ContainsFunc(known(q), func(w string) bool {
				l := strings.Split(w, "")
				if has(q, "back", "reverse", "around") {
					slices.Reverse(l)
				}
				return k.final == strings.Join(l, " ")
			}); !ok {
				t.Errorf("%q -> %s", k.user, k.final)
			}
		}
	})
}

func TestOrderOfWords(t *testing.T) {
	drawn(t, "wordsort", 2000, func(q string, k *task) {
		switch {
		case k.want.Kind == kindText && strings.Contains(k.final, " comes before "):
			a, b, _ := strings.Cut(strings.TrimSuffix(k.final, "."), " comes before ")
			if a >= b || !has(q, a) || !has(q, b) {
				t.Errorf("%q -> %s", k.user, k.final)
			}
		case k.want.Kind == kindYesNo:
			_, rest, _ := strings.Cut(k.final, ", ")
			a, b, _ := strings.Cut(strings.TrimSuffix(rest, "."), " comes before ")
			inOrder := regexp.MustCompile(`\b` + a + `\b.*\b` + b + `\b`).MatchString(q)
			if a >= b || inOrder != (k.want.Value == "yes") {
				t.Errorf("%q -> %s", k.user, k.final)
			}
		case k.want.Kind == kindLastWord:
			x := regexp.MustCompile(`the letter (after|before) ([a-z]) is ([a-z])\.`).FindStringSubmatch(strings.ToLower(k.final))
			if d := int(x[3][0]) - int(x[2][0]); d != map[string]int{"after": 1, "before": -1}[x[1]] || !has(q, x[1]) {
				t.Errorf("%q -> %s", k.user, k.final)
			}
		default:
			list := strings.Split(k.final, ", ")
			if !slices.IsSorted(list) || slices.ContainsFunc(list, func(w string) bool { return !has(q, w) }) {
				t.Errorf("%q -> %s", k.user, k.final)
			}
		}
	})
}

// TestUnits asks Go's calendar, and a table in the smallest units.
func TestUnits(t *testing.T) {
	scale := map[string]float64{"seconds": 1, "second": 1, "minutes": 60, "minute": 60, "min": 60, "hours": 3600, "hour": 3600, "days": 86400, "day": 86400, "weeks": 7 * 86400, "week": 7 * 86400, "mm": 1, "millimeters": 1, "cm": 10, "centimeters": 10, "centimeter": 10, "m": 1000, "meters": 1000, "meter": 1000, "km": 1e6, "kilometers": 1e6, "kilometer": 1e6,
		"grams": 1, "g": 1, "kg": 1000, "kilograms": 1000, "kilogram": 1000, "ton": 1e6, "years": 12, "year": 12, "months": 1, "decades": 120, "decade": 120, "centuries": 1200, "century": 1200, "millennium": 12000, "season": 3, "inches": 1, "feet": 12, "foot": 12, "yards": 36, "yard": 36, "quarts": 1, "gallons": 4, "cents": 1, "dollars": 100, "dollar": 100, "liters": 1000, "l": 1000, "liter": 1000, "milliliters": 1, "ml": 1, "pieces": 1, "dozen": 12}
	known := map[string]int{"days year": 365, "weeks year": 52, "days leap year": 366, "days weekend": 2, "letters alphabet": 26}
	conversion := regexp.MustCompile(`^(\d+) (\w+) are (\d+) (\w+)\.$`)
	fact := regexp.MustCompile(`^There are (\d+) (\w+) in one ([\w ]+)\.$`)
	month := regexp.MustCompile(`^(\w+) has (\d+) days`)
	step := regexp.MustCompile(`^(\d+) (day|month)s? (after|before) (\w+) is (\w+)\.$`)
	ordinal := regexp.MustCompile(`^The (\w+) (day|month) is (\w+)\.$`)
	drawn(t, "units", 1500, func(q string, k *task) {
		if k.want.Kind == kindRefusal {
			return
		}
		if x := conversion.FindStringSubmatch(k.final); x != nil {
			a, _ := strconv.ParseFloat(x[1], 64)
			b, _ := strconv.ParseFloat(x[3], 64)
			if scale[x[2]] == 0 || a*scale[x[2]] != b*scale[x[4]] {
				t.Errorf("%q -> %s", k.user, k.final)
			}
			if n := ints(wordNumber.ReplaceAllStringFunc(q, func(w string) string { return fmt.Sprint(wordValue(w)) })); !slices.Contains(n, int(a)) {
				t.Errorf("%q -> %s", k.user, k.final)
			}
		} else if x := fact.FindStringSubmatch(k.final); x != nil {
			n, _ := strconv.Atoi(x[1])
			want, ok := known[x[2]+" "+x[3]]
			if !ok {
				want = int(scale[x[3]] / scale[x[2]])
			}
			if n != want {
				t.Errorf("%q -> %s", k.user, k.final)
			}
		} else if x := month.FindStringSubmatch(k.final); x != nil {
			m, err := time.Parse("January 2006", x[1]+" 2026")
			if want := fmt.Sprint(m.AddDate(0, 1, -1).Day()); err != nil || x[2] != want || !has(q, strings.ToLower(x[1])) {
				t.Errorf("%q -> %s", k.user, k.final)
			}
		} else if x := step.FindStringSubmatch(k.final); x != nil {
			n, _ := strconv.Atoi(x[1])
			if x[3] == "before" {
				n = -n
			}
			if x[2] == "day" {
				d := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
				for d.Weekday().String() != x[4] {
					d = d.AddDate(0, 0, 1)
				}
				if d.AddDate(0, 0, n).Weekday().String() != x[5] {
					t.Errorf("%q -> %s", k.user, k.final)
				}
			} else if m, err := time.Parse("January 2006", x[4]+" 2026"); err != nil || m.AddDate(0, n, 0).Month().String() != x[5] {
				t.Errorf("%q -> %s", k.user, k.final)
			}
			if !has(q, strings.ToLower(x[4])) || has(q, "before", "ago", "yest", "precede") != (n < 0) {
				t.Errorf("%q -> %s", k.user, k.final)
			}
		} else if x := ordinal.FindStringSubmatch(k.final); x != nil {
			i := slices.Index(ordinals, x[1])
			want := time.Month(i + 1).String()
			if x[2] == "day" {
				want = time.Weekday((i + 1) % 7).String()
			}
			if x[3] != want || !has(q, x[1]) {
				t.Errorf("%q -> %s", k.user, k.final)
			}
		} else if list := strings.Split(k.final, ", "); len(list) != 7 && len(list) != 12 {
			t.Errorf("%q -> %s", k.user, k.final)
		}
	})
}

func TestSortedNumbers(t *testing.T) {
	drawn(t, "sort", 1000, func(q string, k *task) {
		list := ints(q)
		slices.Sort(list)
		if has(q, "desc", "from large", "from big", "from high", "high to") {
			slices.Reverse(list)
		}
		if k.want.Kind != kindNumbers || k.want.Value != numbers(list, " ") || k.final != numbers(list, ", ") {
			t.Errorf("%q -> %s", k.user, k.final)
		}
	})
}

// TestStories takes the operation from other words of the story than the generator does.
func TestStories(t *testing.T) {
	times := regexp.MustCompile(` each\b|each of| cost|an hour|per hour| a day|one box has|a box has|boxes of|bags of`)
	drawn(t, "story", 2000, func(q string, k *task) {
		list := ints(q)
		var want int
		switch {
		case len(list) == 3:
			want = list[0] + list[1] - list[2]
		case has(q, "share", "among", "each get", "does each", "between", "does one cost", "in each box", "people", "divide") && !has(q, "are in each", "in each box. "):
			want = slices.Max(list) / slices.Min(list)
		case strings.Contains(q, "puts"):
			want = list[0] / list[1]
		case times.MatchString(q):
			want = list[0] * list[1]
		case has(q, "how many more", "how much more", "older", "left", "remain", "sold", "gives away", "you take", "give me", "eat", "lost") && !has(q, "you give me"):
			want = list[0] - list[1]
		default:
			want = list[0] + list[1]
		}
		wantNumber(t, k, want)
	})
}

// TestRanks finds who is before whom from the premises alone.
func TestRanks(t *testing.T) {
	premise := regexp.MustCompile(`(\w+) is (\w+) than (\w+)`)
	more := map[string]bool{"taller": true, "older": true, "faster": true, "bigger": true, "richer": true, "stronger": true}
	s, n := newSource(33), 0
	for range 500 {
		k := rankTask(s)
		facts, ask := k.user, ""
		if i := strings.LastIndex(strings.ToLower(k.user), "who"); i >= 0 && k.want.Kind == kindText {
			facts, ask = k.user[:i], k.user[i:]
		}
		above := map[string]int{}
		found := premise.FindAllStringSubmatch(facts, -1)
		for _, x := range found[:2] {
			a, b := strings.ToLower(x[1]), strings.ToLower(x[3])
			if !more[x[2]] {
				a, b = b, a
			}
			above[a]++
			above[b]--
		}
		if ask == "" {
			continue
		}
		n++
		high := has(ask, "tallest", "oldest", "fastest", "biggest", "richest", "strongest")
		who := strings.ToLower(strings.Fields(k.final)[0])
		if above[who] != map[bool]int{true: 1, false: -1}[high] {
			t.Errorf("%q -> %s", k.user, k.final)
		}
	}
	if n < 200 {
		t.Errorf("%d were checked", n)
	}
}

// A question is answered or refused, whichever skill it comes from, and has one answer and one way to it: what is taught two ways is not
// learned.
func TestNoQuestionHasTwoAnswers(t *testing.T) {
	m := newMix(load(t), 34, false)
	answers, from := map[string]string{}, map[string]string{}
	for i := range skills {
		for range 2000 {
			k := m.draw(&skills[i])
			if k.developer != nil || len(k.before) > 0 {
				continue
			}
			q := strings.ToLower(strings.TrimRight(k.user, " .?!"))
			answer := k.think(medium) + " " + k.final
			if was, ok := answers[q]; ok && was != answer {
				t.Errorf("%q: %s by %s, %s by %s", k.user, was, from[q], answer, skills[i].name)
			}
			answers[q], from[q] = answer, skills[i].name
		}
	}
}

func TestVisitorsAreNeverTrained(t *testing.T) {
	list := visits()
	if len(list) != 200 || len(asked()) != 200 {
		t.Errorf("%d questions, %d different ones: want 200", len(list), len(asked()))
	}
	for _, v := range list {
		if v.Kind == kindMatch {
			if _, err := regexp.Compile("(?is)" + v.Value); err != nil || v.Value == "" {
				t.Errorf("%s: %q: %v", v.Ask, v.Value, err)
			}
		} else if !slices.Contains([]string{kindNumber, kindFirstNumber, kindYesNo, kindRefusal}, v.Kind) || (v.Value == "") != (v.Kind == kindRefusal) {
			t.Errorf("%+v", v)
		}
		if !heldOut(v.Ask) || !heldOut(strings.ToUpper(v.Ask)+" !") {
			t.Errorf("%q may be trained", v.Ask)
		}
	}
	m := newMix(load(t), 35, false)
	for i := range skills {
		for range 500 {
			if k := m.draw(&skills[i]); asked()[bare(k.user)] {
				t.Errorf("%s trains %q, which a visitor asks", skills[i].name, k.user)
			}
		}
	}
}

package main

import (
	"fmt"
	"strings"
)

// signed writes how to add two numbers of any sign: "-5 + 3 is 3 - 5", and then that.
func signed(a, b int, e effort) string {
	switch {
	case a >= 0 && b >= 0:
		return thinkAdd(a, b, e)
	case a >= 0:
		return fmt.Sprintf("Is %d-%d. ", a, -b) + thinkSub(a, -b, e)
	case b >= 0:
		return fmt.Sprintf("Is %d-%d. ", b, -a) + thinkSub(b, -a, e)
	}
	return fmt.Sprintf("Is -(%d+%d). ", -a, -b) + thinkAdd(-a, -b, e)
}

// less subtracts a number that is no less than 0 from one of any sign.
func less(a, b int, e effort) string {
	if a >= 0 {
		return thinkSub(a, b, e)
	}
	return signed(a, -b, e)
}

// signedTask is a sum, a difference or a product with negative numbers.
func signedTask(s source) *task {
	a, b := s.number(2), s.number(2)
	if s.chance(0.2) {
		a, b = s.number(3), s.number(3)
	}
	if s.chance(0.8) {
		a = -max(a, 1)
	}
	if a >= 0 || s.chance(0.4) {
		b = -max(b, 1)
	}
	format := pick(s, []string{"%s %s %s", "%s %s %s", "%s%s%s", "What is %s %s %s?", "What's %s %s %s?", "what is %s%s%s", "Calculate %s %s %s.", "How much is %s %s %s?", "%s %s %s = ?", "%s%s%s=", "%s %s %s?", "Compute %s %s %s.", "Solve %s %s %s."})
	write := func(op string) string {
		x, y := fmt.Sprint(a), fmt.Sprint(b)
		if b < 0 && s.chance(0.3) {
			y = "(" + y + ")"
		}
		if strings.Contains(format, " %s %s") && s.chance(0.3) {
			word := map[string]string{"+": "plus", "-": "minus", "*": "times"}[op]
			if s.chance(0.5) {
				x, y = strings.ReplaceAll(x, "-", "minus "), strings.ReplaceAll(y, "-", "minus ")
			}
			return fmt.Sprintf(format, x, word, y)
		}
		return fmt.Sprintf(format, x, op, y)
	}
	switch x := s.Float64(); {
	case x < 0.4:
		return numberTask("terms", s.casual(write("+")), func(e effort) string { return signed(a, b, e) }, fmt.Sprintf("%d + %d = %d", a, b, a+b), a+b)
	case x < 0.8:
		return numberTask("terms", s.casual(write("-")), func(e effort) string {
			if b < 0 {
				return fmt.Sprintf("Minus minus is plus, %d+%d. ", a, -b) + signed(a, -b, e)
			}
			return less(a, b, e)
		}, fmt.Sprintf("%d - %d = %d", a, b, a-b), a-b)
	}
	a, b = a%100, b%100
	if s.chance(0.6) {
		b %= 10
	}
	if a >= 0 && b >= 0 {
		a = -max(a, 1)
	}
	return numberTask("terms", s.casual(write("*")), func(e effort) string {
		sign, x, y := "Plus", max(a, -a), max(b, -b)
		if (a < 0) != (b < 0) {
			sign = "Minus"
		}
		return fmt.Sprintf("%s, %d*%d: ", sign, x, y) + thinkMul(x, y, e)
	}, fmt.Sprintf("%d * %d = %d", a, b, a*b), a*b)
}

// chainTask adds and subtracts three to five numbers, or multiplies three digits, from the left.
func chainTask(s source) *task {
	terms := make([]int, pick(s, []int{3, 3, 3, 4, 4, 5}))
	product := s.chance(0.15)
	for i := range terms {
		terms[i] = s.number(2)
		if s.chance(0.12) {
			terms[i] = s.number(3)
		}
		if product {
			terms[i] = s.between(1, 9)
		}
	}
	if product {
		terms = terms[:3]
	}
	sum, minus, times := !product && s.chance(0.6), " - ", pick(s, []string{" * ", " * ", " x "})
	gap := s.chance(0.7)
	var b strings.Builder
	total := terms[0]
	fmt.Fprint(&b, total)
	var parts []func(e effort) string
	for _, n := range terms[1:] {
		before := total
		op := " + "
		switch {
		case product:
			op, total = times, before*n
			parts = append(parts, func(e effort) string { return fmt.Sprintf("%d*%d: %s", before, n, thinkMul(before, n, e)) })
		case !sum && s.chance(0.6):
			op, total = minus, before-n
			parts = append(parts, func(e effort) string { return fmt.Sprintf("%d-%d: %s", before, n, less(before, n, e)) })
		default:
			total = before + n
			parts = append(parts, func(e effort) string { return fmt.Sprintf("%d+%d: %s", before, n, signed(before, n, e)) })
		}
		if !gap {
			op = strings.TrimSpace(op)
		}
		fmt.Fprint(&b, op, n)
	}
	expression := b.String()
	said := expression
	switch {
	case s.chance(0.3):
		said = strings.NewReplacer("+", "plus", "-", "minus", "*", "times", "x", "times").Replace(expression)
		if !gap {
			said = expression
		}
	case sum && s.chance(0.4):
		list := strings.ReplaceAll(strings.ReplaceAll(expression, " ", ""), "+", ", ")
		last := strings.LastIndex(list, ", ")
		if s.chance(0.7) {
			list = list[:last] + " and " + list[last+2:]
		}
		return numberTask("terms", s.askLoud([]string{"What is the sum of %s?", "Sum of %s", "Add %s.", "Add up %s.", "Add these numbers: %s", "Sum up %s.", "The total of %s?", "What do %s make together?", "Sum: %s"}, list), thinkParts(parts), expressionOf(terms, expression, total), total)
	}
	return numberTask("terms", s.askLoud(bareTerms, said), thinkParts(parts), expressionOf(terms, expression, total), total)
}

// bareTerms are the ways in which a term is asked for as it stands.
var bareTerms = []string{"%s", "%s", "%s =", "%s=?", "%s?", "%s = ?", "What is %s?", "What's %s?", "Calculate %s.", "Calculate %s", "Compute %s.", "How much is %s?", "Solve %s.", "Evaluate %s.", "Work out %s.", "What does %s equal?", "Tell me %s."}

func thinkParts(parts []func(e effort) string) func(effort) string {
	return func(e effort) string {
		said := make([]string, len(parts))
		for i, part := range parts {
			said[i] = part(e)
			if len(parts) > 2 { // long enough without a check of each
				said[i] = part(min(e, medium))
			}
		}
		return "From the left. " + strings.Join(said, " ")
	}
}

// expressionOf is the answer to a term: the term with a space around each sign, and what it is.
func expressionOf(terms []int, expression string, total int) string {
	var b strings.Builder
	rest := strings.ReplaceAll(strings.ReplaceAll(expression, " ", ""), "x", "*")
	for i, n := range terms {
		rest = strings.TrimPrefix(rest, fmt.Sprint(n))
		fmt.Fprint(&b, n)
		if i < len(terms)-1 {
			b.WriteString(" " + rest[:1] + " ")
			rest = rest[1:]
		}
	}
	return fmt.Sprintf("%s = %d", b.String(), total)
}

// precedenceTask has a sum or a difference, and a product or a quotient, of which brackets or the rule says which comes first.
func precedenceTask(s source) *task {
	a, b, c := s.between(1, 20), s.between(1, 12), s.between(1, 9)
	if s.chance(0.3) {
		a = s.number(2)
	}
	// {x} is the first part, done before the rest.
	type shape struct {
		text  string
		first func(e effort) (string, int)
		rest  func(x int, e effort) (string, int)
	}
	product := func(x, y int) func(effort) (string, int) {
		return func(e effort) (string, int) { return fmt.Sprintf("%d*%d: %s", x, y, thinkMul(x, y, e)), x * y }
	}
	sum := func(x, y int) func(effort) (string, int) {
		return func(e effort) (string, int) { return fmt.Sprintf("%d+%d: %s", x, y, signed(x, y, e)), x + y }
	}
	difference := func(x, y int) func(effort) (string, int) {
		return func(e effort) (string, int) { return fmt.Sprintf("%d-%d: %s", x, y, less(x, y, e)), x - y }
	}
	times := "Times first. "
	brackets := "Brackets first. "
	rule := times
	var sh shape
	switch s.IntN(7) {
	case 0:
		sh = shape{fmt.Sprintf("%d + %d * %d", a, b, c), product(b, c), func(x int, e effort) (string, int) { return sum(a, x)(e) }}
	case 1:
		sh = shape{fmt.Sprintf("%d * %d + %d", b, c, a), product(b, c), func(x int, e effort) (string, int) { return sum(x, a)(e) }}
	case 2:
		sh = shape{fmt.Sprintf("%d - %d * %d", a, b, c), product(b, c), func(x int, e effort) (string, int) { return difference(a, x)(e) }}
	case 3:
		sh = shape{fmt.Sprintf("%d * %d - %d", b, c, a), product(b, c), func(x int, e effort) (string, int) { return difference(x, a)(e) }}
	case 4:
		rule, sh = brackets, shape{fmt.Sprintf("(%d + %d) * %d", a, b, c), sum(a, b), func(x int, e effort) (string, int) { return product(x, c)(e) }}
	case 5:
		rule, sh = brackets, shape{fmt.Sprintf("%d * (%d + %d)", c, a, b), sum(a, b), func(x int, e effort) (string, int) { return product(c, x)(e) }}
	case 6:
		rule, sh = brackets, shape{fmt.Sprintf("(%d - %d) * %d", a+b, b, c), difference(a+b, b), func(x int, e effort) (string, int) { return product(x, c)(e) }}
	}
	_, x := sh.first(low)
	_, total := sh.rest(x, low)
	asked := sh.text
	if s.chance(0.35) {
		asked = strings.ReplaceAll(asked, " ", "")
	}
	if s.chance(0.15) {
		asked = strings.ReplaceAll(asked, "*", pick(s, []string{"x", "×"}))
	}
	return numberTask("terms", s.askLoud(bareTerms, asked), func(e effort) string {
		one, _ := sh.first(e)
		two, _ := sh.rest(x, e)
		return rule + one + " " + two
	}, fmt.Sprintf("%s = %d", sh.text, total), total)
}

var numerals = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"}

// numeral is a number up to 99 in words.
func numeral(n int) string {
	if n <= 20 {
		return numerals[n]
	}
	tens := []string{"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}[n/10-2]
	if n%10 == 0 {
		return tens
	}
	return tens + "-" + numerals[n%10]
}

// wordsTask is a sum, a difference or a product of numbers in words.
func wordsTask(s source) *task {
	draw := func(most int) int {
		if s.chance(0.8) {
			return s.between(0, min(20, most))
		}
		return s.between(0, most)
	}
	a, b := draw(99), draw(99)
	kind := s.IntN(3)
	if kind == 2 {
		a, b = draw(12), draw(12)
	}
	op := [][]string{{"plus", "plus", "and", "+"}, {"minus", "minus", "take away"}, {"times", "times", "multiplied by", "x"}}[kind]
	// One of the two may be in digits.
	x, y := numeral(a), numeral(b)
	switch s.IntN(12) {
	case 0:
		x = fmt.Sprint(a)
	case 1:
		y = fmt.Sprint(b)
	}
	t := *[]func() *task{
		func() *task {
			return numberTask("terms", "", func(e effort) string { return thinkAdd(a, b, e) }, fmt.Sprintf("%d + %d = %d", a, b, a+b), a+b)
		},
		func() *task {
			return numberTask("terms", "", func(e effort) string { return thinkSub(a, b, e) }, fmt.Sprintf("%d - %d = %d", a, b, a-b), a-b)
		},
		func() *task {
			return numberTask("terms", "", func(e effort) string { return thinkMul(a, b, e) }, fmt.Sprintf("%d * %d = %d", a, b, a*b), a*b)
		},
	}[kind]()
	think := t.think
	t.user = s.askLoud([]string{"%s %s %s", "%s %s %s?", "What is %s %s %s?", "What's %s %s %s?", "How much is %s %s %s?", "Calculate %s %s %s.", "%s %s %s is?", "%s %s %s equals?", "Tell me %s %s %s.", "%s %s %s ="}, x, pick(s, op), y)
	t.think = func(e effort) string { return fmt.Sprintf("%s is %d, %s is %d. ", upperFirst(x), a, y, b) + think(e) }
	return &t
}

// claimTask asks whether a sum, a difference or a product is what somebody says.
func claimTask(s source) *task {
	a, b := s.number(2), s.number(2)
	kind := s.IntN(3)
	if kind == 2 {
		a, b = s.between(0, 12), s.between(0, 12)
	}
	n := []int{a + b, a - b, a * b}[kind]
	op := []string{"+", "-", "*"}[kind]
	claim := n
	if s.chance(0.5) {
		for claim == n {
			claim = n + s.between(-10, 10)
		}
	}
	t := &task{skill: "terms", user: s.askLoud([]string{"Is %d %s %d = %d?", "Is %d %s %d equal to %d?", "%d %s %d = %d?", "%d %s %d = %d, right?", "Does %d %s %d equal %d?", "Is it true that %d %s %d = %d?", "%d %s %d is %d, right?", "Does %d %s %d make %d?", "Is %d%s%d = %d?", "%d%s%d=%d?", "True or false: %d %s %d = %d?"}, a, op, b, claim)}
	t.yesNo(claim == n, fmt.Sprintf("%d %s %d = %d.", a, op, b, n))
	t.think = func(e effort) string {
		said := []func(int, int, effort) string{thinkAdd, thinkSub, thinkMul}[kind](a, b, e)
		return said + fmt.Sprintf(" It is %d, asked is %d, %s.", n, claim, map[bool]string{true: "same", false: "other"}[claim == n])
	}
	return t
}

// termsTask is arithmetic beyond one operation on two plain numbers.
func termsTask(s source) *task {
	switch x := s.Float64(); {
	case x < 0.08:
		return claimTask(s)
	case x < 0.37:
		return signedTask(s)
	case x < 0.6:
		return chainTask(s)
	case x < 0.8:
		return precedenceTask(s)
	}
	return wordsTask(s)
}

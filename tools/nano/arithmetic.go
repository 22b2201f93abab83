package main

import (
	"fmt"
	"strconv"
	"strings"
)

// Number formats follow one rule: whatever decides a token stands before it. So digits are written before they are added,
// a comparison before its outcome, and a borrow after the subtraction that needs it.

var places = []string{"ones", "tens", "hundreds", "thousands", "ten thousands"}

// digitAt is the digit of n at place p, ones first.
func digitAt(n, p int) int {
	for range p {
		n /= 10
	}
	return n % 10
}

func width(n int) int { return len(strconv.Itoa(n)) }

// spell writes the digits of n in w places: "17 is 1 7".
func spell(n, w int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d is", n)
	for p := w - 1; p >= 0; p-- {
		fmt.Fprintf(&b, " %d", digitAt(n, p))
	}
	return b.String()
}

func spellBoth(a, b int) string {
	w := max(width(a), width(b))
	return spell(a, w) + ", " + spell(b, w) + ". "
}

// labelled puts the names of places before columns, for medium effort.
func columns(cols []string, label bool) string {
	if label {
		for i := range cols {
			cols[i] = places[i] + " " + cols[i]
		}
		cols[0] = upperFirst(cols[0])
	}
	return strings.Join(cols, ", ")
}

func addColumns(a, b int, label bool) string {
	var cols []string
	carry := 0
	for p := range max(width(a), width(b)) {
		x, y := digitAt(a, p), digitAt(b, p)
		c := fmt.Sprintf("%d+%d", x, y)
		if carry > 0 {
			c += "+1"
		}
		sum := x + y + carry
		cols = append(cols, fmt.Sprintf("%s=%d", c, sum))
		carry = sum / 10
	}
	return columns(cols, label)
}

// subColumns needs a >= b.
func subColumns(a, b int, label bool) string {
	var cols []string
	borrow := 0
	for p := range max(width(a), width(b)) {
		x, y := digitAt(a, p), digitAt(b, p)
		rest := fmt.Sprintf("-%d", y)
		if borrow > 0 {
			rest += "-1"
		}
		c := fmt.Sprintf("%d%s", x, rest)
		d := x - y - borrow
		borrow = 0
		if d < 0 {
			c += fmt.Sprintf(" borrow %d%s", x+10, rest)
			d += 10
			borrow = 1
		}
		cols = append(cols, fmt.Sprintf("%s=%d", c, d))
	}
	return columns(cols, label)
}

// mulColumns multiplies a by one digit.
func mulColumns(a, d int, label bool) string {
	var cols []string
	carry := 0
	for p := range width(a) {
		x := digitAt(a, p)
		c := fmt.Sprintf("%d*%d=%d", x, d, x*d)
		sum := x*d + carry
		if p > 0 {
			c += fmt.Sprintf(", %d+%d=%d", x*d, carry, sum)
		}
		cols = append(cols, c)
		carry = sum / 10
	}
	return columns(cols, label)
}

func relation(a, b int) string {
	switch {
	case a > b:
		return "more"
	case a < b:
		return "less"
	}
	return "same"
}

// compareColumns compares from the highest place down to the first difference.
func compareColumns(a, b int) string {
	var cols []string
	for p := max(width(a), width(b)) - 1; p >= 0; p-- {
		x, y := digitAt(a, p), digitAt(b, p)
		cols = append(cols, fmt.Sprintf("%s %d %d %s", places[p], x, y, relation(x, y)))
		if x != y {
			break
		}
	}
	return upperFirst(strings.Join(cols, ", ")) + "."
}

// spellLong spells two numbers if one has four digits: such a number is two tokens, and its places are not where they are in others.
func spellLong(a, b int) string {
	if max(width(a), width(b)) > 3 {
		return spellBoth(a, b)
	}
	return ""
}

func thinkAdd(a, b int, e effort) string {
	switch e {
	case low:
		return spellLong(a, b) + addColumns(a, b, false) + "."
	case medium:
		return spellBoth(a, b) + addColumns(a, b, true) + fmt.Sprintf(", so %d.", a+b)
	}
	return thinkAdd(a, b, medium) + fmt.Sprintf(" Check %d-%d: ", a+b, b) + subColumns(a+b, b, false) + fmt.Sprintf(", so %d.", a)
}

func thinkSub(a, b int, e effort) string { return thinkApart(a, b, e, "Negative", "-") }

// thinkApart subtracts the smaller number from the larger; word and sign are for where that is the first.
func thinkApart(a, b int, e effort, word, sign string) string {
	big, small := b, a
	if a >= b {
		big, small, sign = a, b, ""
	}
	if e == low {
		s := spellLong(a, b) + compareColumns(a, b) + " "
		if a < b {
			s += fmt.Sprintf("%s, %d-%d: ", word, big, small)
		}
		return s + subColumns(big, small, false) + "."
	}
	s := spellBoth(a, b) + compareColumns(a, b) + " "
	if a < b {
		s += fmt.Sprintf("%s, take %d-%d. ", word, big, small)
	}
	s += subColumns(big, small, true) + fmt.Sprintf(", so %s%d.", sign, big-small)
	if e == high {
		s += fmt.Sprintf(" Check %d+%d: ", big-small, small) + addColumns(big-small, small, false) + fmt.Sprintf(", so %d.", big)
	}
	return s
}

// zeros is how many zeros 10, 100 or 1000 has, and 0 for other numbers.
func zeros(n int) int { return map[int]int{10: 1, 100: 2, 1000: 3}[n] }

// thinkZeros multiplies by 10, 100 or 1000.
func thinkZeros(a, b int, e effort) string {
	s := fmt.Sprintf("Times %d, zeros %d, behind %d", b, zeros(b), a)
	switch e {
	case low:
		return s + "."
	case medium:
		return spell(a, width(a)) + ". " + s + fmt.Sprintf(", so %d.", a*b)
	}
	return spell(a, width(a)) + ". " + s + fmt.Sprintf(", so %d. Again: %d, zeros %d, is %d.", a*b, a, zeros(b), a*b)
}

// thinkMul needs a number of one digit and one of up to three, two of two digits, or 10, 100 or 1000.
func thinkMul(a, b int, e effort) string {
	if zeros(b) > 0 {
		return thinkZeros(a, b, e)
	} else if zeros(a) > 0 {
		return thinkZeros(b, a, e)
	}
	if width(b) > 1 && width(a) == 1 {
		a, b = b, a
	}
	if width(b) == 1 {
		switch e {
		case low:
			return mulColumns(a, b, false) + "."
		case medium:
			return spell(a, width(a)) + ". " + mulColumns(a, b, true) + fmt.Sprintf(", so %d.", a*b)
		}
		return thinkMul(a, b, medium) + " Again: " + mulColumns(a, b, false) + fmt.Sprintf(", so %d.", a*b)
	}
	r0, r1 := a*(b%10), a*(b/10)
	s := fmt.Sprintf("%d*%d: %s, so %d. ", a, b%10, mulColumns(a, b%10, e != low), r0) +
		fmt.Sprintf("%d*%d: %s, so %d. ", a, b/10, mulColumns(a, b/10, e != low), r1)
	if e == low {
		return s + fmt.Sprintf("%d+%d: %s.", r0, 10*r1, addColumns(r0, 10*r1, false))
	}
	s = spellBoth(a, b) + s + spellBoth(r0, 10*r1) + fmt.Sprintf("%s, so %d.", addColumns(r0, 10*r1, true), a*b)
	if e == high {
		s += fmt.Sprintf(" Again %d*%d: %s, so %d.", a, b%10, mulColumns(a, b%10, false), r0) +
			fmt.Sprintf(" %d*%d: %s, so %d. ", a, b/10, mulColumns(a, b/10, false), r1) +
			fmt.Sprintf("%d+%d: %s, so %d.", r0, 10*r1, addColumns(r0, 10*r1, false), a*b)
	}
	return s
}

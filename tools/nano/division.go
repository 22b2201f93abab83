package main

import (
	"fmt"
	"slices"
	"strings"
)

// divideColumns divides by a number up to 12, from the highest place down. Each step is a fact of at most 120.
func divideColumns(a, d int, label bool) string {
	var cols []string
	rest := 0
	for p := width(a) - 1; p >= 0; p-- {
		x := 10*rest + digitAt(a, p)
		rest = x % d
		c := fmt.Sprintf("%d/%d=%d rest %d", x, d, x/d, rest)
		if label {
			c = places[p] + " " + c
		}
		cols = append(cols, c)
	}
	return upperFirst(strings.Join(cols, ", "))
}

// quotient is what a/d is, in words.
func quotient(a, d int) string {
	if a%d == 0 {
		return fmt.Sprint(a / d)
	}
	return fmt.Sprintf("%d remainder %d", a/d, a%d)
}

func thinkDivide(a, d int, e effort) string {
	switch e {
	case low:
		if width(a) > 3 {
			return spell(a, width(a)) + ". " + divideColumns(a, d, false) + "."
		}
		return divideColumns(a, d, false) + "."
	case medium:
		return spell(a, width(a)) + ". " + divideColumns(a, d, true) + ", so " + quotient(a, d) + "."
	}
	return thinkDivide(a, d, medium) + " Again: " + divideColumns(a, d, false) + ", so " + quotient(a, d) + "."
}

// steps are larger divisors that the model goes up by, to ten times.
var steps = []int{15, 20, 24, 25, 30, 50, 60, 100}

// thinkSteps counts up by d until it is at a, or past it. What decides whether to stop is said each time.
func thinkSteps(a, d int, e effort) string {
	line := func(label string) string {
		var b strings.Builder
		for i := 1; ; i++ {
			fmt.Fprintf(&b, "%s%d %d %s, ", label, i, i*d, relation(i*d, a))
			if i*d >= a {
				break
			}
		}
		if a%d == 0 {
			fmt.Fprintf(&b, "so %d.", a/d)
		} else {
			b.WriteString("so not whole.")
		}
		return b.String()
	}
	s := fmt.Sprintf("By %d to %d: ", d, a)
	switch e {
	case low:
		return s + line("")
	case medium:
		return s + line("step ")
	}
	return s + line("step ") + " Again: " + line("")
}

// dividend draws a number and what it is divided by.
func (s source) dividend() (a, d int) {
	d = s.between(1, 12)
	switch x := s.Float64(); {
	case x < 0.4:
		a = d * s.between(0, 12)
	case x < 0.75:
		a = d * s.between(1, 999/d)
	case x < 0.8:
		a = d * s.between(1, 9999/d)
	default:
		a = s.number(3)
	}
	return a, d
}

// divideTask divides by a number up to 12, with a remainder if there is one, or by one of steps.
func divideTask(s source) *task {
	if s.chance(0.15) {
		d := pick(s, steps)
		a := d * s.between(1, 10)
		if s.chance(0.2) {
			a = s.between(d+1, 9*d)
		}
		return stepsTask("divide", s.askLoud(operands[3], a, d), fmt.Sprintf("%d / %d = ", a, d)+"%d", a, d, limitDivide)
	}
	a, d := s.dividend()
	user := s.askLoud(operands[3], a, d)
	switch x := s.Float64(); {
	case x < 0.05:
		a, d = 2*s.between(1, 500), 2
		user = s.askLoud([]string{"What is half of %d?", "Half of %d?", "half of %d", "What is a half of %d?", "Halve %d.", "What's half of %d?", "How much is half of %d?"}, a)
	case x < 0.06:
		a, d = 3*s.between(1, 99), 3
		user = s.askLoud([]string{"What is a third of %d?", "A third of %d?", "one third of %d"}, a)
	case x < 0.07:
		a, d = 4*s.between(1, 99), 4
		user = s.askLoud([]string{"What is a quarter of %d?", "A quarter of %d?", "one quarter of %d", "What is a fourth of %d?"}, a)
	}
	return divided("divide", user, fmt.Sprintf("%d / %d = ", a, d), a, d)
}

// divided is a task whose answer is a quotient, after said.
func divided(skill, user, said string, a, d int) *task {
	final := said + quotient(a, d)
	t := numberTask(skill, user, func(e effort) string { return thinkDivide(a, d, e) }, final, a/d)
	if a%d != 0 {
		t.short, t.want = quotient(a, d), want{Kind: kindText, Value: final}
	}
	return t
}

// stepsTask is a task whose answer is a quotient by one of steps, said by a format, or refused if it isn't whole.
func stepsTask(skill, user, format string, a, d int, limit string) *task {
	think := func(e effort) string { return thinkSteps(a, d, e) }
	if a%d != 0 {
		return limited(skill, user, limit, think)
	}
	return numberTask(skill, user, think, fmt.Sprintf(format, a/d), a/d)
}

// percents are the shares that the model knows a way to.
var percents = []int{5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 100}

// thinkPercent finds p percent of n, by way of a half, a quarter, a fifth or a tenth, and says whether that is whole.
func thinkPercent(p, n int, e effort) (string, bool) {
	d, times, name := 10, p/10, "a tenth"
	switch p {
	case 100:
		return fmt.Sprintf("100 percent is all of it, so %d.", n), true
	case 50:
		d, times, name = 2, 1, "a half"
	case 20:
		d, times, name = 5, 1, "a fifth"
	case 25, 75:
		d, times, name = 4, p/25, "a quarter"
	}
	s := fmt.Sprintf("%d percent by %s, %d/%d: ", p, name, n, d) + thinkDivide(n, d, e)
	part := n / d
	if n%d != 0 {
		return s + " Not whole.", false
	}
	if p%10 == 5 && d == 10 { // 5 and 15
		s += fmt.Sprintf(" Half of that, %d/2: ", part) + thinkDivide(part, 2, e)
		if part%2 != 0 {
			return s + " Not whole.", false
		}
		if p == 15 {
			s += fmt.Sprintf(" Both, %d+%d: ", part, part/2) + thinkAdd(part, part/2, min(e, medium))
		}
	} else if times > 1 {
		s += fmt.Sprintf(" %d times that, %d*%d: ", times, part, times) + thinkMul(part, times, min(e, medium))
	}
	return s, true
}

func percentTask(s source) *task {
	p := pick(s, percents)
	if s.chance(0.4) {
		p = pick(s, []int{10, 15, 20, 25, 50})
	}
	n := s.number(3)
	switch x := s.Float64(); {
	case x < 0.6:
		n = pick(s, []int{10, 20, 100}) * s.between(1, 9)
	case x < 0.85:
		n = 20 * s.between(1, 49)
	}
	user := s.askLoud([]string{"What is %d%% of %d?", "What's %d%% of %d?", "%d%% of %d", "%d%% of %d?", "%d %% of %d", "%d%% of %d =", "What is %d percent of %d?", "What's %d percent of %d?", "%d percent of %d", "%d percent of %d?", "How much is %d%% of %d?", "How much is %d percent of %d?",
		"Calculate %d%% of %d.", "Calculate %d percent of %d.", "Compute %d%% of %d.", "Find %d%% of %d.", "Find %d percent of %d.", "Give me %d%% of %d.", "Tell me %d percent of %d.", "Work out %d%% of %d.", "I need %d%% of %d."}, p, n)
	if _, whole := thinkPercent(p, n, low); !whole {
		return limited("percent", user, limitPercent, func(e effort) string { s, _ := thinkPercent(p, n, e); return s })
	}
	return numberTask("percent", user, func(e effort) string { s, _ := thinkPercent(p, n, e); return s }, fmt.Sprintf("%d percent of %d is %d.", p, n, p*n/100), p*n/100)
}

// known says whether the model can divide by d.
func canDivide(d int) bool { return d >= 1 && d <= 12 || slices.Contains(steps, d) }

package main

import (
	"fmt"
	"strconv"
)

func numberTask(skill, user string, think func(effort) string, final string, n int) *task {
	return &task{skill: skill, user: user, think: think, final: final, short: strconv.Itoa(n), want: want{Kind: kindNumber, Value: strconv.Itoa(n)}}
}

// operands are the ways in which people ask for a sum, a difference, a product and a quotient.
var operands = [][]string{
	{
		"What is %d + %d?", "What is %d+%d?", "What's %d + %d?", "What is %d plus %d?", "What's %d plus %d?", "%d + %d", "%d+%d", "%d+%d=", "%d + %d = ?",
		"%d plus %d?", "Add %d and %d.", "Add %d to %d.", "Compute %d + %d.", "Calculate %d + %d.", "Calculate %d plus %d.", "What is the sum of %d and %d?",
		"The sum of %d and %d?", "Find the sum of %d and %d.", "How much is %d + %d?", "How much is %d plus %d?", "Sum up %d and %d.", "What do you get if you add %d and %d?",
		"Work out %d + %d.", "Solve %d + %d.", "%d and %d together?", "What does %d + %d equal?", "Give me %d + %d.", "Evaluate %d+%d.", "What is the total of %d and %d?",
		"%d+%d", "%d + %d", "%d+%d?", "%d + %d?", "%d + %d =", "%d+%d=?", "%d +%d", "%d+ %d", "%d plus %d", "%d plus %d equals?", "%d plus %d is?", "%d + %d equals", "%d + %d is what?", "%d and %d is?", "%d and %d make?",
		"What do %d and %d make?", "What is %d and %d?", "Sum of %d and %d", "The total of %d and %d?", "What do I get when I add %d and %d?", "If I add %d and %d, what do I get?", "If you add %d to %d, what is it?", "What will I get if I add %d to %d?", "What is %d added to %d?",
		"%d added to %d", "Plus: %d and %d", "Increase %d by %d.", "What is %d more than %d?", "What would %d + %d be?", "What makes %d + %d?", "Total: %d + %d", "Let's add %d and %d.", "Add up %d and %d.", "Add %d + %d", "Add together %d and %d.", "Put %d and %d together.", "The result of %d + %d?",
		"What is the result of %d plus %d?", "What is the answer to %d + %d?", "The answer to %d+%d?", "How much do %d and %d make?", "How about %d + %d?", "I need %d + %d.", "Tell me %d plus %d.", "Do %d + %d.", "Do the sum %d + %d.", "Solve: %d + %d", "Compute: %d+%d", "Math: %d + %d", "Result of %d+%d",
	},
	{
		"What is %d - %d?", "What is %d-%d?", "What's %d - %d?", "What is %d minus %d?", "What's %d minus %d?", "%d - %d", "%d-%d", "%d-%d=", "%d - %d = ?",
		"%d minus %d?", "Compute %d - %d.", "Calculate %d - %d.", "Calculate %d minus %d.", "How much is %d - %d?", "How much is %d minus %d?", "Work out %d - %d.",
		"Solve %d - %d.", "What does %d - %d equal?", "Give me %d - %d.", "Evaluate %d-%d.", "What is %d less %d?",
		"What is %d take away %d?", "Take %[2]d from %[1]d.", "Subtract %[2]d from %[1]d.", "What do you get if you subtract %[2]d from %[1]d?",
		"%d-%d", "%d - %d", "%d-%d?", "%d - %d?", "%d - %d =", "%d-%d=?", "%d -%d", "%d- %d", "%d minus %d", "%d minus %d equals?", "%d minus %d is?", "%d - %d equals", "%d - %d is what?", "%d take away %d", "%d − %d", "What is %d − %d?",
		"Take %[2]d away from %[1]d.", "Take away %[2]d from %[1]d.", "Remove %[2]d from %[1]d.", "Subtract %[2]d from %[1]d", "What is %[2]d subtracted from %[1]d?", "What is left if I take %[2]d from %[1]d?", "How much is left if I take %[2]d from %[1]d?", "If I subtract %[2]d from %[1]d, what do I get?", "If I have %d and take away %d, what is left?", "If you take %[2]d away from %[1]d, what do you get?",
		"Decrease %d by %d.", "Reduce %d by %d.", "What is %[2]d less than %[1]d?", "What would %d - %d be?", "The result of %d - %d?", "What is the result of %d minus %d?", "What is the answer to %d - %d?", "How about %d - %d?", "I need %d - %d.", "Tell me %d minus %d.", "Do %d - %d.", "Solve: %d - %d", "Compute: %d-%d", "Math: %d - %d", "Result of %d-%d", "Subtract: %d - %d", "What do I get when I take %[2]d from %[1]d?",
	},
	{
		"What is %d * %d?", "What is %d*%d?", "What's %d * %d?", "What is %d times %d?", "What's %d times %d?", "%d * %d", "%d*%d", "%d*%d=", "%d x %d", "%d x %d = ?",
		"What is %d x %d?", "%d times %d?", "Multiply %d by %d.", "Multiply %d and %d.", "Compute %d * %d.", "Calculate %d * %d.", "Calculate %d times %d.", "What is the product of %d and %d?",
		"Find the product of %d and %d.", "How much is %d * %d?", "How much is %d times %d?", "Work out %d * %d.", "Solve %d * %d.", "What does %d * %d equal?", "Evaluate %d*%d.",
		"What is %d multiplied by %d?", "%d*%d", "%d * %d", "%dx%d", "%d x %d", "%d×%d", "%d × %d", "What is %d × %d?", "%d X %d", "%d*%d?", "%d x %d?", "%dx%d=", "%d × %d = ?", "%d * %d = ?", "%d * %d =", "%d *%d", "%d times %d", "%d times %d equals?", "%d times %d is?", "%d multiplied by %d", "%d * %d equals", "Product of %d and %d",
		"The product of %d and %d?", "Multiply %d with %d.", "Multiply %d times %d.", "Multiply %d x %d", "If I multiply %d by %d, what do I get?", "What do you get if you multiply %d by %d?", "What do I get when I multiply %d and %d?", "What would %d * %d be?", "The result of %d * %d?", "What is the result of %d times %d?", "What is the answer to %d x %d?", "How about %d * %d?", "How much is %d x %d?", "I need %d * %d.",
		"Tell me %d times %d.", "Do %d * %d.", "Solve: %d * %d", "Compute: %d*%d", "Math: %d * %d", "Result of %d*%d", "Compute %d x %d.", "Calculate %d x %d.", "Calculate %dx%d",
	},
	{
		"What is %d / %d?", "What is %d/%d?", "What's %d / %d?", "What is %d divided by %d?", "What's %d divided by %d?", "%d / %d", "%d/%d", "%d/%d=", "%d / %d = ?", "%d ÷ %d", "%d÷%d", "What is %d ÷ %d?", "%d/%d?", "%d / %d?", "%d divided by %d?", "%d divided by %d",
		"Divide %d by %d.", "Compute %d / %d.", "Calculate %d / %d.", "Calculate %d divided by %d.", "How much is %d / %d?", "How much is %d divided by %d?", "Work out %d / %d.", "Solve %d / %d.", "What does %d / %d equal?", "Evaluate %d/%d.", "What is the quotient of %d and %d?", "Quotient of %d and %d", "What is %d over %d?", "%d over %d", "How often does %[2]d go into %[1]d?", "How many times does %[2]d go into %[1]d?", "How many times does %[2]d fit into %[1]d?", "Share %d by %d.",
		"If I divide %d by %d, what do I get?", "What do you get if you divide %d by %d?", "What would %d / %d be?", "The result of %d / %d?", "What is the result of %d divided by %d?", "What is the answer to %d / %d?", "How about %d / %d?", "I need %d / %d.", "Tell me %d divided by %d.", "Do %d / %d.", "Solve: %d / %d", "Compute: %d/%d", "Math: %d / %d", "Result of %d/%d", "Split %d by %d.", "%d divided by %d equals?", "%d divided by %d is?", "%d / %d equals",
	},
}

// operand draws a number as people choose them: often small, sometimes round, sometimes a year.
func (s source) operand() int {
	switch x := s.Float64(); {
	case x < 0.25:
		return s.between(0, 20)
	case x < 0.32:
		return pick(s, []int{10, 100}) * s.between(1, 10)
	case x < 0.38:
		return s.between(1900, 2100)
	case x < 0.46:
		return s.between(1000, 9999)
	}
	return s.number(3)
}

func addTask(s source) *task {
	a, b := s.operand(), s.operand()
	user := s.askLoud(operands[0], a, b)
	if s.chance(0.03) {
		b = 1
		user = s.askLoud([]string{"What number comes after %d?", "What comes after %d?", "Which number is after %d?", "What is the next number after %d?", "The number after %d?", "What number follows %d?"}, a)
	}
	return numberTask("add", user, func(e effort) string { return thinkAdd(a, b, e) }, fmt.Sprintf("%d + %d = %d", a, b, a+b), a+b)
}

func subtractTask(s source) *task {
	a, b := s.operand(), s.operand()
	if a < b && s.chance(0.5) {
		a, b = b, a
	}
	if s.chance(0.08) {
		n := max(a-b, b-a)
		user := s.askLoud([]string{"What is the difference of %d and %d?", "What is the difference between %d and %d?", "Difference between %d and %d", "The difference of %d and %d?", "Find the difference between %d and %d.", "How far apart are %d and %d?"}, a, b)
		return numberTask("subtract", user, func(e effort) string { return thinkApart(a, b, e, "Difference", "") }, fmt.Sprintf("The difference is %d.", n), n)
	}
	user := s.askLoud(operands[1], a, b)
	if a > 0 && s.chance(0.03) {
		b = 1
		user = s.askLoud([]string{"What number comes before %d?", "What comes before %d?", "Which number is before %d?", "The number before %d?"}, a)
	}
	return numberTask("subtract", user, func(e effort) string { return thinkSub(a, b, e) }, fmt.Sprintf("%d - %d = %d", a, b, a-b), a-b)
}

// factors draws two numbers that the model can multiply.
func (s source) factors() (a, b int) {
	switch x := s.Float64(); {
	case x < 0.25: // the tables
		a, b = s.between(0, 12), s.between(0, 12)
	case x < 0.5:
		a, b = s.number(2), s.number(1)
	case x < 0.62:
		a, b = s.between(100, 999), s.number(1)
	case x < 0.7:
		a, b = s.number(3), pick(s, []int{10, 100, 1000})
	default:
		a, b = s.between(10, 99), s.between(10, 99)
	}
	if s.chance(0.4) {
		a, b = b, a
	}
	return a, b
}

func multiplyTask(s source) *task {
	a, b := s.factors()
	user := s.askLoud(operands[2], a, b)
	switch x := s.Float64(); {
	case x < 0.04:
		a, b = s.number(3), 2
		user = s.askLoud([]string{"Double %d.", "What is double %d?", "Double of %d", "What is twice %d?", "Twice %d?", "What is the double of %d?", "What's two times %d?"}, a)
	case x < 0.05:
		a, b = s.number(3), 3
		user = s.askLoud([]string{"Triple %d.", "What is triple %d?", "What is three times %d?"}, a)
	case x < 0.09:
		a = s.number(2)
		b = a
		user = s.askLoud([]string{"What is %d squared?", "%d squared", "What is the square of %d?", "The square of %d?", "Square %d.", "%d^2", "What is %d^2?", "%d²"}, a)
	}
	return numberTask("multiply", user, func(e effort) string { return thinkMul(a, b, e) }, fmt.Sprintf("%d * %d = %d", a, b, a*b), a*b)
}

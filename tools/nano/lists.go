package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var things = []string{"pen", "cup", "book", "key", "hat", "ball", "box", "lamp", "coin", "shoe", "bag", "map", "ring", "car", "tree", "fish", "bird", "cat", "dog", "egg", "apple", "bread",
	"milk", "chair", "table", "door", "stone", "leaf", "star", "clock", "phone", "plate", "spoon", "shirt", "bottle", "flower", "horse", "mouse", "bell", "kite", "red", "blue", "green",
	"banana", "orange", "pear", "plum", "cherry", "lemon", "grape", "peach", "cow", "pig", "sheep", "lion", "duck", "sun", "moon", "house", "yellow", "black", "white", "one", "two", "three", "a", "b", "c", "x", "y", "hello", "cake", "coffee", "tea", "cookie", "train", "bus", "boat", "water"}

func countTask(s source) *task {
	kinds := pickN(s, things, s.between(2, 4))
	if s.chance(0.3) {
		kinds = pickN(s, spelled, s.between(2, 4))
	}
	list := make([]string, s.between(3, 8))
	for i := range list {
		list[i] = pick(s, kinds)
	}
	joined := strings.Join(list, pick(s, []string{", ", ", ", ", ", " "}))
	if s.chance(0.2) {
		user := s.ask([]string{"How many things are in this list: %s?", "How many words are in this: %s?", "How many words are there: %s?", "How many words are in: %s", "How many words does this have: %s?", "Count these: %s", "How many things are here: %s?", "How many are there: %s?", "How many words are in the list %s?", "How many items: %s", "How many items are in this list: %s?", "How many words are in this list: %s?", "Count the items: %s.", "Count the words: %s", "How long is this list: %s?", "How many words: %s"}, joined)
		line := func(item string) string {
			var b strings.Builder
			for i, w := range list {
				fmt.Fprintf(&b, "%s%d %s, ", item, i+1, w)
			}
			return strings.TrimSuffix(b.String(), ", ")
		}
		n := len(list)
		return numberTask("count", user, func(e effort) string {
			switch e {
			case low:
				return line("") + "."
			case medium:
				return "Count all items. " + upperFirst(line("item ")) + fmt.Sprintf(", so %d.", n)
			}
			return "Count all items. " + upperFirst(line("item ")) + fmt.Sprintf(", so %d. Again: %s, so %d.", n, line("item "), n)
		}, fmt.Sprintf("There are %d items.", n), n)
	}
	word := pick(s, kinds)
	if s.chance(0.1) {
		word = pick(s, things)
	}
	quoted := pick(s, []string{"%s", `"%s"`, "'%s'"})
	user := s.ask([]string{"How many times does %s appear in this list: %s?", "How many times does %s appear in: %s?", "How often does %s appear in: %s?", "How often is %s in this list: %s?", "Count %s in: %s.", "Count %s in this list: %s",
		"How many times is %s in the list %s?", "How many times is %s in this: %s?", "How many times is %s in: %s", "How often is %s in this: %s?", "How many times does %s come in: %s?", "Count the %s in: %s", "How many %s are in: %s?", "How many %s in this list: %s?", "How many %s in: %s", "How many times do you see %s in: %s?", "How often does the word %s appear in this: %s?", "Count the word %s in: %s", "How many times does the word %s occur in: %s?", "Count how often %s appears: %s."}, fmt.Sprintf(quoted, word), joined)
	// Without the positions the model loses its place in a list where words come again.
	line := func(label bool) string {
		var b strings.Builder
		n := 0
		for i, w := range list {
			if label {
				b.WriteString("item ")
			}
			fmt.Fprintf(&b, "%d ", i+1)
			if w == word {
				n++
				fmt.Fprintf(&b, "%s yes %d, ", w, n)
			} else {
				fmt.Fprintf(&b, "%s no %d, ", w, n)
			}
		}
		return strings.TrimSuffix(b.String(), ", ")
	}
	n := 0
	for _, w := range list {
		if w == word {
			n++
		}
	}
	times := fmt.Sprintf("%d times", n)
	if n == 1 {
		times = "1 time"
	}
	return numberTask("count", user, func(e effort) string {
		switch e {
		case low:
			return fmt.Sprintf("%s yes. %s.", "Count "+word, line(false))
		case medium:
			return fmt.Sprintf("Count %s yes, else no. %s, so %d.", word, upperFirst(line(true)), n)
		}
		return fmt.Sprintf("Count %s yes, else no. %s, so %d. Again: %s, so %d.", word, upperFirst(line(true)), n, line(false), n)
	}, fmt.Sprintf("%s appears %s.", upperFirst(word), times), n)
}

func numbers(list []int, sep string) string {
	parts := make([]string, len(list))
	for i, n := range list {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, sep)
}

// thinkSort is an insertion sort: each number is compared with the sorted ones before it, from the smallest on.
func thinkSort(list []int, e effort) string {
	var b strings.Builder
	sorted := []int{list[0]}
	if e != low {
		fmt.Fprintf(&b, "Begin with %d. ", list[0])
	}
	for _, n := range list[1:] {
		at := len(sorted)
		if e == low {
			fmt.Fprintf(&b, "%d:", n)
		} else {
			fmt.Fprintf(&b, "Insert %d:", n)
		}
		for i, m := range sorted {
			if e == low {
				fmt.Fprintf(&b, " %d %s", m, relation(n, m))
			} else {
				fmt.Fprintf(&b, " %d %d %s,", n, m, relation(n, m))
			}
			if n < m {
				at = i
				break
			}
		}
		sorted = slices.Insert(sorted, at, n)
		if e != low {
			b.WriteString(" so")
		} else {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %s. ", numbers(sorted, " "))
	}
	if e == high {
		b.WriteString("Check:")
		for i := 1; i < len(sorted); i++ {
			fmt.Fprintf(&b, " %d %d %s,", sorted[i-1], sorted[i], relation(sorted[i-1], sorted[i]))
		}
		b.WriteString(" in order.")
	}
	return strings.TrimSpace(b.String())
}

func sortTask(s source) *task {
	limit := 100
	switch x := s.Float64(); {
	case x < 0.1:
		limit = 1000
	case x < 0.25:
		limit = 10
	}
	list := s.Perm(limit)[:pick(s, []int{2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6})]
	if s.chance(0.08) {
		list[0] = list[len(list)-1] // one comes twice
	}
	joined := s.series(strings.Fields(numbers(list, " ")))
	descending := s.chance(0.25)
	user := s.askLoud([]string{"Sort %s.", "Sort these numbers: %s.", "Sort these numbers: %s", "Sort the numbers %s.", "Put these numbers in order: %s.", "Order these numbers: %s.", "Sort in ascending order: %s",
		"Put %s in order.", "Put %s in order", "Put in order: %s", "Order %s.", "Sort %s", "sort: %s", "Sort this list: %s", "Sort the list %s.", "Sort the following numbers: %s", "Order these from smallest to biggest: %s", "Order from smallest to largest: %s", "Put these in order from smallest to largest: %s", "Sort %s from smallest to biggest.", "Sort %s in ascending order.", "Arrange %s in ascending order.", "Put these numbers in ascending order: %s", "Sort ascending: %s", "%s in order please", "%s sorted", "Arrange these numbers: %s", "Line these up: %s", "Sort these: %s", "Sort low to high: %s", "Sort these numbers in ascending order: %s.", "Sort from smallest to largest: %s.", "Arrange in order: %s"}, joined)
	if descending {
		user = s.askLoud([]string{"Sort in descending order: %s", "Sort these numbers in descending order: %s.", "Sort from largest to smallest: %s.", "Sort these numbers from largest to smallest: %s.", "Order these from biggest to smallest: %s", "Sort %s descending.", "Sort %s in descending order.", "Sort descending: %s", "Put %s in descending order.", "Order from largest to smallest: %s", "Sort %s from biggest to smallest.", "Put these in order from biggest to smallest: %s", "Arrange in descending order: %s", "Sort high to low: %s", "Sort %s from highest to lowest."}, joined)
	}
	sorted := slices.Sorted(slices.Values(list))
	if descending {
		slices.Reverse(sorted)
	}
	final := numbers(sorted, ", ")
	return &task{skill: "sort", user: user, final: final, short: numbers(sorted, " "), want: want{Kind: kindNumbers, Value: numbers(sorted, " ")}, think: func(e effort) string {
		// The direction is said at once, or it is forgotten at the end.
		if descending {
			return "Descending. " + thinkSort(list, e) + " Reverse: " + numbers(sorted, " ") + "."
		}
		return "Ascending. " + thinkSort(list, e)
	}}
}

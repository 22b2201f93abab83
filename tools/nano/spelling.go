package main

import (
	"fmt"
	"slices"
	"strings"
)

// spelled are the words whose letters the model learns. Each is one token after a space, as a test holds, so that it has one row to
// remember the letters by.
var spelled = strings.Fields(`apple banana cherry lemon orange grape peach pear plum melon mango kiwi berry strawberry blueberry raspberry tomato potato carrot onion garlic pepper
	bean corn rice bread butter cheese milk water juice coffee tea sugar salt honey cake cookie chocolate candy pizza pasta soup salad sandwich egg
	chicken beef fish meat cat dog bird horse cow pig sheep goat duck goose mouse rat rabbit lion tiger bear wolf fox deer elephant monkey zebra camel
	snake frog turtle whale shark dolphin eagle owl spider bee ant butterfly dragon unicorn puppy kitten panda house home door window room kitchen garden
	table chair bed lamp sofa desk mirror carpet wall floor roof stairs key lock box bag cup plate spoon fork knife bottle glass bowl pan pot clock watch
	phone computer keyboard screen laptop camera radio television pen pencil paper book letter word page story car bus train plane boat ship bike bicycle
	truck road street bridge city town village country world earth moon sun star sky cloud rain snow wind storm fire ice sea ocean river lake mountain
	hill forest tree flower leaf grass rose stone sand gold silver iron metal wood man woman boy girl child baby mother father brother sister friend
	family king queen prince princess teacher student doctor nurse lawyer farmer baker driver pilot soldier artist writer singer dancer actor engineer
	person people name hand head eye ear nose mouth hair face arm leg foot finger heart blood body brain shirt dress shoe hat coat ring red green blue
	yellow black white brown pink purple gray spring summer autumn winter morning evening night day week month year hour minute second today tomorrow
	yesterday time birthday holiday school class lesson test question answer number math science music art history language game ball toy doll puzzle
	chess football soccer tennis team player winner love peace hope dream happy sad angry funny nice good bad big small long short fast slow hot cold new
	old young strong weak rich poor easy hard hello goodbye thanks please yes sorry welcome run walk jump swim fly sleep eat drink cook read write sing
	dance play work think learn help give take make find open close money bank price shop market store office job bell kite map coin flag drum guitar
	piano violin trumpet balloon candle ladder hammer needle button pocket basket blanket pillow success address necessary committee parallel programming
	algorithm intelligence artificial robot model token internet browser engine code data software hardware network website email password beautiful
	wonderful important different interesting favorite restaurant hospital university library museum theater airport station hotel castle church tower
	palace temple pumpkin cucumber spinach broccoli cabbage mushroom almond peanut walnut cinnamon vanilla biscuit pancake noodle sausage bacon burger
	alphabet dictionary sentence grammar vowel paragraph chapter novel poem magazine newspaper`)

func letterLine(word, label string, yes func(r rune) bool) string {
	var b strings.Builder
	n := 0
	for i, r := range word {
		verdict := "no"
		if yes(r) {
			verdict = "yes"
			n++
		}
		fmt.Fprintf(&b, "%s%d %c %s %d, ", label, i+1, r, verdict, n)
	}
	return strings.TrimSuffix(b.String(), ", ")
}

// positions writes a word's letters, or a list's items, with their numbers.
func positions(items []string, label string, back bool) string {
	said := make([]string, len(items))
	for i, item := range items {
		said[i] = fmt.Sprintf("%s%d %s", label, i+1, item)
	}
	if back {
		slices.Reverse(said)
	}
	return strings.Join(said, ", ")
}

// quoted writes a word as people do: mostly as it is.
func (s source) quoted(word string) string {
	if s.chance(0.08) {
		word = upperFirst(word)
	}
	return fmt.Sprintf(pick(s, []string{"%s", "%s", "%s", "%s", "%s", "%s", `"%s"`, "'%s'"}), word)
}

// spellingTask is about the letters of a word. word is one of spelled, unless it is for a refusal.
func spellingTask(s source) *task {
	switch x := s.Float64(); {
	case x < 0.5:
		return letterTask(s, pick(s, spelled))
	case x < 0.68:
		return lengthTask(s, pick(s, spelled))
	case x < 0.75:
		return vowelTask(s, pick(s, spelled))
	case x < 0.92:
		return spellTask(s, pick(s, spelled))
	}
	return reverseTask(s)
}

var letterPhrases = []string{"How many %s are in %s?", "How many %s are there in %s?", "How many %s in %s?", "How many %s in the word %s?", "How many %s are in the word %s?", "How many %s are there in the word %s?", "How many %s does %s have?", "How many %s does the word %s have?", "Count the %s in %s.", "Count the %s in the word %s.", "Number of %s in %s?",
	"How many times does %s appear in %s?", "How many times does %s occur in %s?", "How often does %s appear in the word %s?", "Count %s in the word %s", "How many %s can you find in %s?", "What is the number of %s in %s?", "How many of %s are in %s?"}

// letterTask counts a letter in a word.
func letterTask(s source, word string) *task {
	letter := string(word[s.IntN(len(word))])
	if s.chance(0.12) {
		letter = string(rune('a' + s.IntN(26)))
	}
	shown := letter
	if s.chance(0.12) {
		shown = strings.ToUpper(letter)
	}
	plural := pick(s, []string{"%s's", "%s's", "%ss", "%s", "letters %s", "letter %s", "'%s'", `"%s"`, "%s letters"})
	i := s.IntN(len(letterPhrases))
	if strings.Contains(letterPhrases[i], "%s appear") || strings.Contains(letterPhrases[i], "%s occur") {
		plural = pick(s, []string{"%s", "the letter %s", "letter %s", "'%s'"})
	}
	n := strings.Count(word, letter)
	times := map[bool]string{true: "time", false: "times"}[n == 1]
	return numberTask("spelling", s.ask(letterPhrases[i:i+1], fmt.Sprintf(plural, shown), s.quoted(word)), func(e effort) string {
		is := func(r rune) bool { return string(r) == letter }
		head := fmt.Sprintf("In %s count %s yes.", word, letter)
		switch e {
		case low:
			return head + " " + letterLine(word, "", is) + "."
		case medium:
			return head + " " + upperFirst(letterLine(word, "letter ", is)) + fmt.Sprintf(", so %d.", n)
		}
		return head + " " + upperFirst(letterLine(word, "letter ", is)) + fmt.Sprintf(", so %d. Again: %s, so %d.", n, letterLine(word, "", is), n)
	}, fmt.Sprintf("The letter %s is in %s %d %s.", letter, word, n, times), n)
}

// lengthTask counts all letters of a word.
func lengthTask(s source, word string) *task {
	n := len(word)
	return numberTask("spelling", s.ask([]string{"How many letters are in %s?", "How many letters are there in %s?", "How many letters are in the word %s?", "How many letters does %s have?", "How many letters does the word %s have?", "How many letters in %s?", "How many letters in the word %s?", "Number of letters in %s", "Count the letters in %s.", "Count the letters of the word %s.", "How long is the word %s?",
		"What is the number of letters in %s?", "How many characters are in %s?", "How many characters does the word %s have?", "The length of the word %s?"}, s.quoted(word)), func(e effort) string {
		letters := strings.Split(word, "")
		said := fmt.Sprintf("Count letters of %s. ", word) + upperFirst(positions(letters, [...]string{"", "letter ", "letter "}[e], false)) + fmt.Sprintf(", so %d.", n)
		if e == high {
			said += " Again: " + positions(letters, "", false) + fmt.Sprintf(", so %d.", n)
		}
		return said
	}, fmt.Sprintf("The word %s has %d letters.", word, n), n)
}

func vowelTask(s source, word string) *task {
	vowel := func(r rune) bool { return strings.ContainsRune("aeiou", r) }
	n := 0
	for _, r := range word {
		if vowel(r) {
			n++
		}
	}
	return numberTask("spelling", s.ask([]string{"How many vowels are in %s?", "How many vowels are there in %s?", "How many vowels in %s?", "How many vowels does %s have?", "How many vowels does the word %s have?", "Count the vowels in %s.", "Number of vowels in %s", "How many vowels are in the word %s?"}, s.quoted(word)), func(e effort) string {
		head := fmt.Sprintf("In %s count vowels yes.", word)
		said := head + " " + upperFirst(letterLine(word, [...]string{"", "letter ", "letter "}[e], vowel)) + fmt.Sprintf(", so %d.", n)
		if e == high {
			said += " Again: " + letterLine(word, "", vowel) + fmt.Sprintf(", so %d.", n)
		}
		return said
	}, fmt.Sprintf("The word %s has %d %s.", word, n, map[bool]string{true: "vowel", false: "vowels"}[n == 1]), n)
}

// spellTask spells a word, forwards or backwards, or names its first, last or another letter.
func spellTask(s source, word string) *task {
	letters := strings.Split(word, "")
	text := func(phrases []string, final, short string, think func(label string) string) *task {
		t := &task{skill: "spelling", user: s.ask(phrases, s.quoted(word)), final: final, short: short, want: want{Kind: kindText, Value: final}}
		t.think = func(e effort) string {
			said := think([...]string{"", "letter ", "letter "}[e])
			if e == high {
				said += " Again: " + lowerFirst(think(""))
			}
			return said
		}
		return t
	}
	forwards := func(label string) string {
		return "Spell " + word + ". " + upperFirst(positions(letters, label, false)) + "."
	}
	switch x := s.Float64(); {
	case x < 0.4:
		spaced := strings.Join(letters, " ")
		return text([]string{"Spell %s.", "Spell the word %s.", "How do you spell %s?", "How is %s spelled?", "Spell %s", "How do I spell %s?", "Can you spell %s?", "Spell out %s.", "How to spell %s?", "What are the letters of %s?", "How do you write the word %s?"}, spaced, spaced, forwards)
	case x < 0.75:
		back := slices.Clone(letters)
		slices.Reverse(back)
		spaced := strings.Join(back, " ")
		return text([]string{"Spell %s backwards.", "Spell the word %s backwards.", "Reverse the word %s.", "Reverse %s.", "Write %s backwards.", "What is %s backwards?", "What is %s spelled backwards?", "%s backwards", "Say %s backwards.", "Spell %s in reverse.", "Reverse the letters of %s.", "Turn the word %s around.", "How do you spell %s backwards?", "Spell %s backward."}, spaced, spaced,
			func(label string) string { return forwards(label) + " Back: " + positions(letters, label, true) + "." })
	}
	at := s.IntN(min(len(letters), len(ordinals)))
	which := ordinals[at]
	switch x := s.Float64(); {
	case x < 0.3:
		which, at = "last", len(letters)-1
	case x < 0.6:
		which, at = "first", 0
	}
	final := fmt.Sprintf("The %s letter of %s is %s.", which, word, letters[at])
	return text([]string{"What is the " + which + " letter of %s?", "What's the " + which + " letter of %s?", "What is the " + which + " letter in %s?", "What is the " + which + " letter of the word %s?", "Which letter is the " + which + " in %s?", upperFirst(which) + " letter of %s?", "Tell me the " + which + " letter of %s."}, final, letters[at],
		func(label string) string {
			return forwards(label) + " " + upperFirst(which) + fmt.Sprintf(" is %d %s.", at+1, letters[at])
		})
}

// reverseTask turns a list around.
func reverseTask(s source) *task {
	var list []string
	if s.chance(0.6) {
		list = strings.Fields(numbers(s.Perm(100)[:s.between(3, 5)], " "))
		if s.chance(0.3) {
			list = strings.Fields(numbers(s.Perm(10)[:s.between(3, 5)], " "))
		}
	} else {
		list = pickN(s, spelled, s.between(3, 5))
	}
	back := slices.Clone(list)
	slices.Reverse(back)
	final := strings.Join(back, ", ")
	return &task{skill: "spelling", user: s.ask([]string{"Reverse %s", "Reverse the list %s.", "Reverse this list: %s", "Reverse: %s", "Turn this list around: %s", "Say this backwards: %s", "Write these in reverse order: %s", "Put these in reverse order: %s", "Reverse the order of %s.", "Reverse these: %s", "The list %s backwards?"}, strings.Join(list, pick(s, []string{", ", " ", ", "}))),
		final: final, short: strings.Join(back, " "), want: want{Kind: kindText, Value: final}, think: func(e effort) string {
			said := func(label string) string {
				return upperFirst(positions(list, label, false)) + ". Back: " + positions(list, label, true) + "."
			}
			return [...]string{said(""), said("item "), said("item ") + " Again: " + said("")}[e]
		}}
}

// after compares two words by their first letters, or their second where the first are the same, and says what it compares. Words
// that differ later are none of the model's.
func after(a, b string) (said string, is bool) {
	order := func(x, y byte) string {
		switch {
		case x > y:
			return "after"
		case x < y:
			return "before"
		}
		return "same"
	}
	said = fmt.Sprintf("%c %c %s", a[0], b[0], order(a[0], b[0]))
	if a[0] != b[0] {
		return said, a[0] > b[0]
	}
	return said + fmt.Sprintf(" %c %c %s", a[1], b[1], order(a[1], b[1])), a[1] > b[1]
}

// apart draws words that differ in their first two letters.
func (s source) apart(n int) []string {
	for {
		list := pickN(s, spelled, n)
		seen := map[string]bool{}
		for _, w := range list {
			seen[w[:2]] = true
		}
		if len(seen) == n {
			return list
		}
	}
}

// initials says how words begin: with one letter, or two where two words share it.
func initials(list []string) string {
	said := make([]string, len(list))
	for i, w := range list {
		said[i] = fmt.Sprintf("%s %c", w, w[0])
		for j, v := range list {
			if i != j && v[0] == w[0] {
				said[i] = fmt.Sprintf("%s %c %c", w, w[0], w[1])
				break
			}
		}
	}
	return upperFirst(strings.Join(said, ", ")) + ". "
}

// wordsortTask sorts words, says which comes first, or names the next letter of the alphabet.
func wordsortTask(s source) *task {
	switch x := s.Float64(); {
	case x < 0.06:
		return alphabetTask(s)
	case x < 0.4:
		return firstWordTask(s, s.apart(2))
	}
	return sortWordsTask(s, s.apart(s.between(3, 5)))
}

func sortWordsTask(s source, list []string) *task {
	sorted := slices.Sorted(slices.Values(list))
	final := strings.Join(sorted, ", ")
	shown := slices.Clone(list)
	if s.chance(0.1) {
		for i, w := range shown {
			shown[i] = upperFirst(w)
		}
	}
	insert := func(label string) string {
		var b strings.Builder
		done := []string{list[0]}
		fmt.Fprintf(&b, "Begin with %s.", list[0])
		for _, w := range list[1:] {
			at := len(done)
			fmt.Fprintf(&b, " %s%s:", label, w)
			for i, v := range done {
				said, is := after(w, v)
				fmt.Fprintf(&b, " %s %s,", v, said)
				if !is {
					at = i
					break
				}
			}
			done = slices.Insert(done, at, w)
			fmt.Fprintf(&b, " so %s.", strings.Join(done, " "))
		}
		return b.String()
	}
	return &task{skill: "wordsort", user: s.ask([]string{"Sort %s.", "Sort %s alphabetically.", "Sort these words: %s", "Sort these words alphabetically: %s", "Put %s in alphabetical order.", "Put these words in alphabetical order: %s", "Put these in alphabetical order: %s", "Alphabetize %s.", "Order these words: %s", "Sort alphabetically: %s", "Sort the words %s.", "Order %s alphabetically.", "Arrange %s in alphabetical order.", "%s in alphabetical order", "Arrange these words alphabetically: %s", "Sort this list: %s", "Sort by alphabet: %s"}, s.series(shown)),
		final: final, short: strings.Join(sorted, " "), want: want{Kind: kindText, Value: final}, think: func(e effort) string {
			switch e {
			case low:
				return initials(list) + insert("")
			case medium:
				return "By the alphabet. " + initials(list) + insert("Insert ")
			}
			return "By the alphabet. " + initials(list) + insert("Insert ") + " Again: " + insert("")
		}}
}

// firstWordTask asks which of two words comes first, or whether one does.
func firstWordTask(s source, list []string) *task {
	a, b := list[0], list[1]
	said, is := after(a, b)
	t := &task{skill: "wordsort", think: func(e effort) string {
		brief := initials(list) + upperFirst(said) + "."
		other, _ := after(b, a)
		return [...]string{brief, "By the alphabet. " + brief, "By the alphabet. " + brief + " Check: " + other + "."}[e]
	}}
	first, second := a, b
	if is {
		first, second = b, a
	}
	if s.chance(0.6) {
		t.user = s.ask([]string{"Which comes first alphabetically, %s or %s?", "Which word comes first, %s or %s?", "Which comes first in the alphabet, %s or %s?", "Which word comes first alphabetically: %s or %s?", "Which comes first: %s or %s?", "What comes first in alphabetical order, %s or %s?", "%s or %s, which comes first alphabetically?", "Which of %s and %s comes first in the alphabet?", "Which is first alphabetically, %s or %s?", "Which one comes first in the dictionary, %s or %s?"}, s.quoted(a), s.quoted(b))
		t.final, t.short = fmt.Sprintf("%s comes before %s.", first, second), first
		t.want = want{Kind: kindText, Value: t.final}
		return t
	}
	t.user = s.ask([]string{"Does %s come before %s?", "Does %s come before %s in the alphabet?", "Is %s before %s in the alphabet?", "Does %s come before %s alphabetically?", "Does the word %s come before %s in the dictionary?", "Is %s before %s in alphabetical order?", "In alphabetical order, does %s come before %s?"}, s.quoted(a), s.quoted(b))
	t.yesNo(first == a, fmt.Sprintf("%s comes before %s.", first, second))
	return t
}

// alphabetTask asks for the letter after or before another.
func alphabetTask(s source) *task {
	i := s.between(1, 24)
	word, step := "after", 1
	if s.chance(0.4) {
		word, step = "before", -1
	}
	a, b := string(rune('a'+i)), string(rune('a'+i+step))
	shown := a
	if s.chance(0.5) {
		shown = strings.ToUpper(a)
	}
	final := fmt.Sprintf("The letter %s %s is %s.", word, a, b)
	return &task{skill: "wordsort", user: s.ask([]string{"What letter comes " + word + " %s?", "Which letter comes " + word + " %s?", "Which letter is " + word + " %s?", "What letter is " + word + " %s in the alphabet?", "What comes " + word + " the letter %s?", "The letter " + word + " %s?"}, shown),
		final: final, short: b, want: want{Kind: kindLastWord, Value: b}, think: func(e effort) string {
			row := fmt.Sprintf("%c %c %c", 'a'+i-1, 'a'+i, 'a'+i+1)
			return [...]string{"The alphabet: " + row + ".", "The alphabet near " + a + ": " + row + fmt.Sprintf(". %s %s is %s.", upperFirst(word), a, b), "The alphabet near " + a + ": " + row + fmt.Sprintf(". %s %s is %s. Check: %s, so %s.", upperFirst(word), a, b, row, b)}[e]
		}}
}

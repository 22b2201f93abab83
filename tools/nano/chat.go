package main

import (
	"fmt"
	"strings"
)

// talk is small talk: what people say, and the answer.
var talk = []struct {
	says   []string
	answer string
	topic  string
}{
	{[]string{"Hello", "Hello!", "Hi", "Hi!", "Hi there", "Hey", "hey", "hello there", "Good morning", "Good morning!", "Good evening", "Good afternoon", "Hello, how are you?", "How are you?", "hi, how are you", "How are you doing?", "What's up?", "Greetings"},
		"Hello! I am gossamer-nano, a miniature model. Ask me a sum such as 12 + 30.", "a greeting"},
	{[]string{"What are you?", "Who are you?", "what are you", "who are you", "What's your name?", "What is your name?", "Are you an AI?", "Are you a robot?", "Are you a human?", "Introduce yourself.", "Tell me about yourself.", "Which model are you?", "What model are you?", "Are you ChatGPT?", "Who made you?"},
		"I am gossamer-nano, a miniature language model. I do sums, lists, simple logic and function calls.", "me"},
	{[]string{"What can you do?", "what can you do", "Help", "help", "What do you know?", "How can you help me?", "What are you good at?", "What can I ask you?", "Can you help me?", "What are your skills?", "Can you do math?"},
		"I can add, subtract, multiply and compare numbers, count and sort lists, judge simple logic, call functions and fill in JSON.", "skills"},
	{[]string{"Thank you", "Thank you!", "Thanks", "thanks", "Thanks!", "Thanks a lot", "Thank you very much", "Great, thanks", "ok thanks", "Great", "Good job", "Nice", "Well done", "Cool"},
		"You are welcome!", "thanks"},
	{[]string{"Bye", "bye", "Goodbye", "Goodbye!", "See you", "See you later", "Good night", "Bye bye"},
		"Goodbye!", "a farewell"},
}

func talkTask(s source) *task {
	topic := pick(s, talk)
	t := &task{skill: "chat", user: pick(s, topic.says), topic: topic.topic, final: topic.answer, short: strings.Fields(topic.answer)[0], fixed: true, want: want{Kind: kindText, Value: topic.answer}}
	t.think = func(e effort) string {
		return "About " + topic.topic + [...]string{".", ". No work is needed.", ". No work is needed. I answer in a friendly way and keep it short."}[e]
	}
	return t
}

const refusal = "I can't do that: I am a miniature. Try a sum such as 12 + 30."

// Questions outside of what the model can do. {w} is filled with ordinary words, most of which the model knows from nowhere else.
var foreign = []string{
	"What is the capital of {w}?", "Who wrote {w}?", "Who is the president of {w}?", "Write a poem about {w}.", "Write a story about {w} and {w}.", "Tell me a joke about {w}.", "Tell me about {w}.", "Explain {w}.", "Explain {w} to me.",
	"How do I {w} a {w}?", "How does {w} work?", "Why is the {w} {w}?", "What does {w} mean?", "What is {w}?", "What are {w}?", "When was {w} {w}?", "When did {w} begin?", "Where is {w}?", "Where can I find {w}?", "Who invented the {w}?",
	"Translate {w} to {w}.", "Translate \"{w} {w}\" into {w}.", "Summarize this text: {w} {w} {w} {w}.", "Summarize {w}.", "Write a program that {w}.", "Write code for {w}.", "Write an email to my {w} about {w}.", "Give me a recipe for {w}.",
	"Recommend a {w} about {w}.", "What is the best {w}?", "What is your favourite {w}?", "Do you like {w}?", "Do you believe in {w}?", "Should I {w}?", "Can you {w}?", "Can you {w} the {w}?", "Describe a {w}.", "Describe {w} in {w}.",
	"What should I {w} for {w}?", "Give me ideas for {w}.", "Give me advice on {w}.", "Is {w} good for {w}?", "Is {w} {w}?", "Are {w} {w}?", "{w} {w} {w}", "{w}", "{w} {w}?", "How many {w} are there in {w}?", "How old is {w}?", "How far is {w} from {w}?",
	"How long does {w} take?", "How much does a {w} cost?", "What happened in {w}?", "What happens when {w}?", "What is the meaning of {w}?", "What is the difference between {w} and {w}?", "Compare {w} and {w}.", "List {n} {w}.", "Name {n} {w}.", "Name a {w}.",
	"Tell me a story.", "Tell me a joke.", "Write a poem.", "Sing a song.", "Sing me a song about {w}.", "Draw a {w}.", "Play {w}.", "Open {w}.", "Book a {w} to {w}.", "Buy {w}.", "Remind me to {w}.", "I feel {w}.", "I am {w}.", "I want to {w}.", "I need {w}.",
	"My {w} is {w}. What should I do?", "What do you think about {w}?", "Fix this sentence: {w} {w} {w}.", "Correct my {w}.", "Rewrite this: {w} {w} {w} {w}.", "Continue this: {w} {w} {w}", "Spell {w}.", "What rhymes with {w}?", "Define {w}.", "What is the {w} of {w}?",
	"What's the {w} in {w}?", "Who was {w}?", "Who is {w}?", "Why do {w} {w}?", "Why did {w} {w} the {w}?", "How to {w}?", "What year did {w} {w}?", "In which {w} is {w}?", "Which {w} is the {w}?", "Which is better, {w} or {w}?", "Please {w} this {w}.",
	"If {w} is {w}, what is {w}?", "Let's {w} about {w}.", "Solve the {w} of {w}.", "Calculate the {w} of {w}.", "What is the square root of {n}?", "What is {n} to the power of {n}?", "What is {n} divided by {n}?", "Divide {n} by {n}.", "What is {n}/{n}?",
	"What is {n} percent of {n}?", "What is the derivative of {w}?", "Solve {w} = {n}.", "Is {n} prime?", "Is {n} a prime number?", "What is the {n} {w}?", "Convert {n} {w} to {w}.", "Round {n}.{n}.", "What is {n}.{n} + {n}.{n}?", "What is the factorial of {n}?",
	"What is {big} + {big}?", "What is {big} - {n}?", "What is {big} * {big}?", "Add {big} and {big}.", "{big} + {n}", "{n} * {big}", "Multiply {big} by {n}.", "Sort {w}, {w}, {w}.", "Count the {w} in {w}.", "How many letters are in {w}?",
}

var ordinary = strings.Fields(`time year people way day man thing woman life child world school state family student group country problem hand part place case week company system program question work government night point home water room
	mother area money story fact month lot right study business issue side head house service friend father power hour game line end member law city community name team minute idea body information parent face others level office health person art war
	history party result change morning reason research girl guy moment air teacher force education make know take see come think look want give use find tell ask seem feel try leave call run cook sleep walk drive talk learn read bake paint travel
	good new first last long great little own other old right big high different small large next early young important few public bad same able red love music film movie book computer phone internet language France Germany Spain Italy Japan China America
	England Europe Africa science physics chemistry biology mathematics philosophy religion politics football tennis chess poem song joke picture photo bread cake pizza soup coffee tea wine dinner breakfast lunch garden sea ocean river mountain forest sun
	moon earth star planet space ship train plane car bicycle road bridge tower king queen president doctor lawyer artist writer engineer dog cat horse bird fish tree flower summer winter spring autumn snow rain wind fire stone gold silver iron`)

func (s source) foreign(random func() string) string {
	q := pick(s, foreign)
	for {
		before, after, ok := strings.Cut(q, "{")
		if !ok {
			return q
		}
		key, rest, _ := strings.Cut(after, "}")
		var v string
		switch key {
		case "n":
			v = fmt.Sprint(s.number(3))
		case "big":
			v = fmt.Sprint(s.between(1000, 9_999_999))
		default:
			v = pick(s, ordinary)
			if s.chance(0.6) {
				v = random()
			}
			if s.chance(0.2) {
				v += " " + random()
			}
		}
		q = before + v + rest
	}
}

func refuse(user string) *task {
	return &task{skill: "refusal", user: user, final: refusal, short: refusal, want: want{Kind: kindRefusal}, think: func(e effort) string {
		const looked = "Is it a sum, a list, logic or a function? No, I do not know this."
		return [...]string{"I do not know this.", looked, looked + " Check: do I know the words? Not well enough, so I say so."}[e]
	}}
}

// corrupt makes a question of a known kind unknown: some of its words become strange ones.
func corrupt(s source, user string, random func() string) string {
	words := strings.Fields(user)
	letters := func(w string) bool { return strings.ContainsFunc(w, func(r rune) bool { return r >= 'a' && r <= 'z' }) }
	n := 0
	for i, w := range words {
		if letters(w) && s.chance(0.5) {
			words[i] = strings.TrimSpace(random())
			n++
		}
	}
	if n == 0 {
		words = append([]string{strings.TrimSpace(random())}, words...)
	}
	return strings.Join(words, " ")
}

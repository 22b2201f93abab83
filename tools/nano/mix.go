package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gossamer/runtime/harmony"
	"gossamer/runtime/tokenizer"
)

// A skill is what the model learns, with its share of the training data.
type skill struct {
	name  string
	title string
	bar   bar
	share float64 // percent of the dialogues
	draw  func(m *mix) *task
}

// bar is the accuracy, in percent, to be reached at low effort and at the others; zero for none.
type bar struct{ low, other float64 }

// mix draws tasks and renders them.
type mix struct {
	source
	tok     *tokenizer.Tokenizer
	words   []int32 // tokens that are words, of which strange words are drawn
	letters []int32 // tokens of letters of any script
	held    bool    // draw held-out questions only, instead of all others
}

func newMix(tok *tokenizer.Tokenizer, seed uint64, held bool) *mix {
	m := &mix{source: newSource(seed), tok: tok, held: held}
	for id := range int32(tokenizer.StartOfText) {
		if w := strings.TrimPrefix(string(tok.Bytes(id)), " "); len(w) >= 3 && strings.IndexFunc(w, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) }) < 0 {
			m.words = append(m.words, id)
		} else if b := m.tok.Bytes(id); utf8.Valid(b) && anyScript.Match(b) && (len(b) > 2 || b[0] > unicode.MaxASCII) {
			m.letters = append(m.letters, id)
		}
	}
	return m
}

// strange returns a random word of the vocabulary: to the model it is unknown nearly always.
func (m *mix) strange() string {
	return strings.TrimSpace(string(m.tok.Bytes(pick(m.source, m.words))))
}

func plain(draw func(source) *task) func(*mix) *task {
	return func(m *mix) *task { return draw(m.source) }
}

// The shares are percents of the dialogues, of which a training sees 1.25 million: 1 is 12,500. What is worked out in columns shares its
// facts (add to terms, story and half of units), so each needs less than it would alone; syllogisms and calls are learned last, so they get
// more than their loss asks for; what has to be remembered word by word (spelling) gets 160 dialogues for each word; refusals and
// limits are said in most ways, and short.
var skills = []skill{
	{"add", "addition, up to 4 digits", bar{93, 96}, 4, plain(addTask)},
	{"subtract", "subtraction, also negative, up to 4 digits", bar{93, 96}, 5.5, plain(subtractTask)},
	{"multiply", "multiplication, up to 2 by 2 digits", bar{93, 96}, 6, plain(multiplyTask)},
	{"divide", "division by numbers up to 12, with remainder", bar{93, 96}, 3.5, plain(divideTask)},
	{"percent", "simple percentages", bar{92, 92}, 2.5, plain(percentTask)},
	{"terms", "signed numbers, several operations, numbers in words", bar{92, 92}, 6.5, plain(termsTask)},
	{"compare", "comparison, up to 4 digits; largest, smallest, even, odd", bar{93, 96}, 5, plain(compareTask)},
	{"count", "counting", bar{93, 96}, 3, plain(countTask)},
	{"spelling", "letters of words: count, spell, reverse", bar{92, 92}, 6, plain(spellingTask)},
	{"sort", "sorting 2 to 6 numbers", bar{92, 92}, 5.5, plain(sortTask)},
	{"wordsort", "alphabetical order", bar{92, 92}, 3.5, plain(wordsortTask)},
	{"syllogism", "syllogisms, who is tallest", bar{93, 96}, 10.5, plain(syllogismTask)},
	{"call", "function calls, or none", bar{93, 96}, 7, plain(callTask)},
	{"forced", "function calls that the caller demands, without reasoning", bar{}, 2, plain(forcedTask)},
	{"result", "answer from a result", bar{93, 96}, 2.5, plain(resultTask)},
	{"json", "JSON by schema", bar{93, 96}, 3, plain(jsonTask)},
	{"story", "word problems", bar{92, 92}, 4, (*mix).story},
	{"units", "units, weekdays, months", bar{92, 92}, 5.5, plain(unitTask)},
	{"instruct", "instructions (upper case, one word, JSON)", bar{90, 90}, 3, (*mix).instructed},
	{"chat", "small talk", bar{}, 2, plain(talkTask)},
	{"refusal", "refusals, questions made up", bar{95, 95}, 5, (*mix).refusal},
	{"limits", "refusals of known kinds beyond the limits", bar{95, 95}, 4.5, (*mix).limitTask},
}

func (m *mix) instructed() *task {
	t := pick(m.source, []func(source) *task{addTask, subtractTask, compareTask, compareTask, syllogismTask, countTask, talkTask, multiplyTask, divideTask, spellingTask, unitTask})(m.source)
	for t.want.Kind == kindRefusal { // it stays what it is
		t = compareTask(m.source)
	}
	st := pick(m.source, styles)
	if t.skill == "chat" {
		st = styles[0]
	}
	t.instruct(st, pick(m.source, st.says))
	t.skill = "instruct"
	return t
}

func (m *mix) refusal() *task {
	x := m.Float64()
	if x < 0.25 {
		return refuse(m.gibberish())
	}
	if x < 0.27 {
		return refuse(pick(m.source, numerals))
	}
	if x < 0.31 { // what a function would be called for, without one
		u := m.use(&toolbox[m.IntN(len(toolbox))])
		if u.about != "calculation" {
			return refuse(m.casual(fill(pick(m.source, u.says), u.args)))
		}
	}
	if x < 0.82 {
		q := m.foreign(m.strange)
		if m.chance(0.3) {
			q = m.casual(q)
		}
		return refuse(q)
	}
	if x < 0.88 {
		return refuse(m.unknownClasses())
	}
	// A question of a known kind with words that the model does not know.
	t := pick(m.source, []func(source) *task{addTask, compareTask, countTask, syllogismTask, syllogismTask, talkTask, sortTask, unitTask})(m.source)
	return refuse(corrupt(m.source, t.user, m.strange))
}

// unknownClasses is a syllogism about things whose names do not exist.
func (m *mix) unknownClasses() string {
	for {
		user, n := syllogismTask(m.source).user, 0
		for _, class := range classes {
			if name := regexp.MustCompile(`\b` + class + `\b`); name.MatchString(user) && m.chance(0.85) {
				n++
				user = name.ReplaceAllString(user, strings.ToLower(m.unspelled())+"s")
			}
		}
		if n > 0 {
			return user
		}
	}
}

// draw returns a task of a skill that is held out, or isn't, as asked.
func (m *mix) draw(k *skill) *task {
	for {
		t := k.draw(m)
		if !asked()[bare(t.user)] && (t.fixed || heldOut(t.user) == m.held) {
			return t
		}
	}
}

func (m *mix) pickSkill() *skill {
	var sum float64
	for i := range skills {
		sum += skills[i].share
	}
	x := m.Float64() * sum
	for i := range skills {
		if x -= skills[i].share; x < 0 {
			return &skills[i]
		}
	}
	return &skills[0]
}

// history returns earlier turns of a conversation. Their reasoning is gone, as a server drops it.
func (m *mix) history() []harmony.Message {
	var messages []harmony.Message
	n := 1
	for n < 9 && m.chance(0.6) {
		n++
	}
	easy := []func(source) *task{addTask, subtractTask, multiplyTask, compareTask, countTask, sortTask, storyTask, unitTask, divideTask, spellingTask, syllogismTask, talkTask, talkTask}
	for range n {
		var t *task
		if m.chance(0.08) {
			t = refuse(m.foreign(m.strange))
		} else {
			t = pick(m.source, easy)(m.source)
			for asked()[bare(t.user)] {
				t = pick(m.source, easy)(m.source)
			}
		}
		messages = append(messages, userMessage(t.user),
			harmony.NewText(harmony.Header{Author: harmony.Author{Role: harmony.Assistant}, Channel: harmony.Final}, t.final))
	}
	return messages
}

func userMessage(text string) harmony.Message {
	return harmony.NewText(harmony.Header{Author: harmony.Author{Role: harmony.User}}, text)
}

// dialogue is a task in its conversation, as token ids.
type dialogue struct {
	skill  string
	effort effort
	prompt []int32 // ends with <|start|>assistant and begun
	begun  []int32 // what the prompt has of the reply: a forced call's header, up to the function's name
	reply  []int32 // what the model is to generate
	want   want
	user   string
}

// setting is what the dialogues of a block share.
type setting struct {
	effort effort
	date   string // "" for none
}

func (m *mix) setting() setting {
	st := setting{effort: high} // high effort has three times the tokens of low: about as many tokens of each
	if x := m.Float64(); x < 0.45 {
		st.effort = low
	} else if x < 0.8 {
		st.effort = medium
	}
	if m.chance(0.6) {
		st.date = fmt.Sprintf("%d-%02d-%02d", m.between(2024, 2028), m.between(1, 12), m.between(1, 28))
	}
	return st
}

// render puts a task into a conversation.
func (m *mix) render(t *task, st setting, history []harmony.Message) (*dialogue, error) {
	messages := []harmony.Message{{Header: harmony.Header{Author: harmony.Author{Role: harmony.System}}, Content: []harmony.Content{harmony.DefaultSystem(st.effort.harmony(), st.date)}}}
	if t.developer != nil {
		messages = append(messages, harmony.Message{Header: harmony.Header{Author: harmony.Author{Role: harmony.Developer}}, Content: []harmony.Content{t.developer}})
	}
	messages = append(messages, history...)
	messages = append(messages, userMessage(t.user))
	messages = append(messages, t.before...)
	prompt, err := harmony.Render(context.Background(), m.tok, messages, harmony.Options{})
	if err != nil {
		return nil, err
	}
	if t.forced {
		return m.force(t, st, messages, prompt)
	}
	// The reply is written by hand: Render puts a call's recipient before the channel, the model after it .
	reply := []int32{tokenizer.Channel}
	add := func(text string, marks ...int32) {
		reply = append(append(reply, m.tok.Encode(text)...), marks...)
	}
	add(harmony.Analysis, tokenizer.Message)
	add(t.think(st.effort), tokenizer.End, tokenizer.Start)
	add(string(harmony.Assistant), tokenizer.Channel)
	if t.call != nil {
		add(harmony.Commentary)
		add(" to=functions." + t.call.name)
		add(" ", tokenizer.Constrain)
		add("json", tokenizer.Message)
		add(t.call.arguments, tokenizer.Call)
	} else {
		add(harmony.Final, tokenizer.Message)
		add(t.final, tokenizer.Return)
	}
	return &dialogue{skill: t.skill, effort: st.effort, prompt: prompt, reply: reply, want: t.want, user: t.user}, nil
}

// force begins the reply to messages as a server does that demands a call. The model is to say of which function, and the arguments; a
// server that demands a certain function says its name too.
func (m *mix) force(t *task, st setting, messages []harmony.Message, prompt []int32) (*dialogue, error) {
	whole, err := harmony.Render(context.Background(), m.tok, messages, harmony.Options{Begin: callHeader(t.call.name)})
	if err != nil {
		return nil, err
	}
	reply := append(append(whole[len(prompt):], m.tok.Encode(t.call.arguments)...), tokenizer.Call)
	begun := m.tok.Encode(" to=functions")
	if !slices.Equal(reply[:len(begun)], begun) {
		return nil, fmt.Errorf("nano: a call begins with %q, want %q", textOf(m.tok, reply[:len(begun)]), textOf(m.tok, begun))
	}
	return &dialogue{skill: t.skill, effort: st.effort, prompt: append(prompt, begun...), begun: begun, reply: reply[len(begun):], want: t.want, user: t.user}, nil
}

// conversation draws a task of a skill, perhaps after other turns or under a neutral instruction.
func (m *mix) conversation(k *skill, st setting) (*dialogue, error) {
	t := m.draw(k)
	if t.developer == nil && m.chance(0.08) {
		t.developer = &harmony.DeveloperContent{Instructions: new(pick(m.source, neutral))}
	}
	var history []harmony.Message
	if t.skill != "instruct" && m.chance(0.12) {
		history = m.history()
	}
	if len(t.uses) > 0 && m.chance(0.15) {
		history = append(history, round(m.source, t.uses)...)
	}
	return m.render(t, st, history)
}

package main

import (
	"strings"

	"gossamer/runtime/harmony"
)

// neutral instructions change nothing.
var neutral = []string{"You are a helpful assistant.", "You are a helpful assistant", "Be helpful.", "You are a friendly assistant.", "Be brief.", "Be concise.", "You are a math tutor.", "Answer the question.", "Help the user.", "You are a careful assistant.", "Always be polite.", "You are an assistant."}

// A style is a developer's instruction and what it makes of an answer.
type style struct {
	says  []string
	think string // how the analysis mentions it
	apply func(t *task) string
}

var styles = []style{
	{[]string{"Answer in upper case.", "Answer in uppercase.", "Use upper case only.", "Write everything in upper case.", "Always answer in capital letters.", "Answer in all caps.", "Reply in upper case letters.", "Use only capital letters."},
		" In upper case.", func(t *task) string { return strings.ToUpper(t.final) }},
	{[]string{"Answer in one word.", "Answer with one word.", "Answer with a single word.", "Reply with one word only.", "Answer with only the result.", "Give only the answer.", "Only give the result.", "Answer with just the result.", "One word answers only.", "Answer with a single word or number."},
		" Only the result.", func(t *task) string { return t.short }},
	{[]string{"Answer in JSON.", "Answer as JSON.", "Reply in JSON.", "Always answer in JSON.", "Answer in JSON with the key answer.", `Answer in JSON with the key "answer".`, `Answer as JSON: {"answer": ...}`, "Use JSON for the answer."},
		" As JSON.", func(t *task) string { return `{"answer":` + quote(t.short) + `}` }},
}

// instruct gives a task to a developer's instruction, and the earlier answers of the conversation too.
func (t *task) instruct(st style, says string) {
	think := t.think
	t.think = func(e effort) string { return think(e) + st.think }
	t.final = st.apply(t)
	t.developer = &harmony.DeveloperContent{Instructions: new(says)}
	t.want = want{Kind: kindText, Value: t.final}
}

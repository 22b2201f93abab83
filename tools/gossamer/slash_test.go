package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gossamer/runtime/chat"
	"gossamer/runtime/testenv"
)

// TestSlashCompletion goes on as far as there is no choice, and shows what there is.
func TestSlashCompletion(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.chat(echoes)
	m.typed("/s")
	m.seeEnd("> /s", "/system  /set  /save  /stats")
	m.keys("e", "Tab")
	m.seeEnd("> /set", "temperature  top-p  top-k  min-p  seed  max-tokens")
	m.typed(" te")
	m.keys("Tab")
	m.seeEnd("> /set temperature")
	m.typed(" 0.5")
	m.keys("Enter")
	m.see("temperature: 0.5.")
	m.typed("/eff")
	m.keys("Tab", "Space", "h", "Tab")
	m.seeEnd("> /effort high")
	m.keys("Enter")
	m.see("Reasoning effort: high.")
	m.enter("/efort low")
	m.see("/efort is no command, /help lists them")
	m.enter("/bye")
	m.shell()
}

// TestSlashSettings change what replies are asked for.
func TestSlashSettings(t *testing.T) {
	m := openTmux(t, "80", "40")
	m.chat(`{"name": "pirate", "when": {"developer": "pirate", "effort": "low"},
		"reply": [{"text": "<|channel|>final<|message|>Arr, as you like it."}]},` + echoes)
	m.enter("/system Talk as a pirate.")
	m.see("The model is told so")
	m.enter("/system")
	m.seeRows("Talk as a pirate.")
	m.enter("/effort low")
	m.see("Reasoning effort: low.")
	m.enter("hello")
	m.see("Arr, as you like it.")
	m.enter("/set max-tokens 4")
	m.see("max-tokens: 4.")
	m.enter("hello again")
	m.see("(cut off: the token limit or the context is reached)")
	m.enter("/set temperature -1")
	m.see("/set temperature: ")
	m.enter("/set")
	m.seeRows("temperature  1", "top-p        1", "top-k        0", "min-p        0", "seed         another each time", "max-tokens   4")
	m.enter("/set temperature")
	m.count("temperature  1", 2)
	m.enter("/set temperature hot")
	m.see("/set temperature: want a number")
	m.enter("/effort")
	m.count("Reasoning effort: low.", 2)
	m.enter("/effort most")
	m.see(`effort "most", want none, low, medium or high`)
	m.enter(`/system ""`)
	m.see("No instructions.")
	m.enter("/stats on")
	m.see("Numbers behind each reply: on.")
	m.enter("hi")
	m.see("from memory,")
	m.enter("/stats")
	m.count("from memory,", 2)
	m.enter("/stats much")
	m.see("want /stats, /stats on or /stats off")
	m.enter("/help")
	for _, c := range slashCommands() {
		m.seeRows(strings.TrimRight(c.name+" "+c.args, " ") + strings.Repeat(" ", 21-len(strings.TrimRight(c.name+" "+c.args, " "))) + c.help)
	}
	m.leave()
}

// TestSlashThink shows reasoning, folds it or leaves it out.
func TestSlashThink(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.chat(`{"name": "long", "when": {"user": "long"},
		"reply": [{"text": "<|channel|>analysis<|message|>Deeper thoughts "}, {"wait_ms": 600000}, {"text": "<|end|>"}]},` +
		`{"name": "all", "when": {}, "reply": [{"text": "<|channel|>analysis<|message|>Deep thoughts of mine.<|end|>` +
		`<|start|>assistant<|channel|>final<|message|>So: {user}"}]}`)
	m.enter("/think")
	m.see("there is no reasoning yet")
	m.enter("/think fold")
	m.see("Reasoning: fold.")
	m.enter("long")
	m.see(" thinking: Deeper thoughts")
	m.keys("C-c")
	m.see("(stopped)")
	m.enter("one")
	m.see("So: one")
	m.count(", /think shows it", 2)
	if s := m.screen(); strings.Contains(s, "Deep") || strings.Contains(s, "Thinking") {
		t.Errorf("folded reasoning stays\n%s", s)
	}
	m.enter("/think")
	m.seeRows("Deep thoughts of mine.")
	m.enter("/think off")
	m.see("Reasoning: off.")
	m.enter("two")
	m.seeRows("> two", "So: two")
	m.enter("/think on")
	m.see("Reasoning: on.")
	m.enter("three")
	m.seeRows("> three", "Thinking", "Deep thoughts of mine.", "", "So: three")
	m.enter("/think aloud")
	m.see(`think "aloud", want on, fold or off`)
	m.leave()
}

// TestSlashRetryAndEdit take the last prompt again.
func TestSlashRetryAndEdit(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.chat(`{"name": "first", "when": {"user": "^twice", "nth": 1}, "reply": [{"text": "<|channel|>final<|message|>The first."}]},` +
		`{"name": "fails", "when": {"user": "^fail"}, "reply": [{"text": "<|channel|>final<|message|>Some "}, {"fail": "error"}]},` +
		`{"name": "turn", "when": {"turn": 1}, "reply": [{"text": "<|channel|>final<|message|>Turn two: {user}"}]},` + echoes)
	m.enter("/retry")
	m.see("there is no prompt yet")
	m.enter("twice")
	m.see("The first.")
	m.enter("/retry")
	m.see("You said: twice")
	m.typed("/edit")
	m.keys("Enter")
	m.seeEnd("> twice")
	m.typed(", changed")
	m.keys("Enter")
	m.see("You said: twice, changed")
	m.seeEnd(prompt)
	m.enter("fail please")
	m.see("fails, as it is meant to")
	m.seeEnd(prompt)
	m.enter("next")
	m.see("Turn two: next")
	m.seeEnd(prompt)
	m.leave()
	if got := contents(m.theSaved()); !slices.Equal(got, []string{"twice, changed", "You said: twice, changed", "next", "Turn two: next"}) {
		t.Errorf("kept: %q", got)
	}
}

// contents are what was said.
func contents(s saved) (all []string) {
	for _, m := range s.Messages {
		all = append(all, m.Content)
	}
	return all
}

// TestSlashCopy puts an answer, or its code, into the clipboard of the terminal.
func TestSlashCopy(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.chat(`{"name": "code", "when": {}, "reply": [{"text": "<|channel|>final<|message|>Here:\n` + "```go\\nx := 1\\n\\ty()\\n```" + `\nDone: ä."}]}`)
	m.enter("/copy")
	m.see("there is no answer yet")
	m.enter("code")
	m.see("Done: ä.")
	m.enter("/copy code")
	m.see("Copied 11 characters")
	clipboard := func() string { return m.do("", "show-buffer") }
	m.wait("the code in the clipboard", func(string) bool { return clipboard() == "x := 1\n\ty()" })
	m.enter("/copy")
	m.see("Copied 36 characters")
	m.wait("the answer in the clipboard", func(string) bool { return clipboard() == "Here:\n```go\nx := 1\n\ty()\n```\nDone: ä." })
	m.leave()
}

// TestSlashTools offers functions, and asks the user for what they return.
func TestSlashTools(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.file(filepath.Join(m.dir, "tools.json"), `[{"type": "function", "function": {"name": "get_weather", "description": "The\u001b[2J weather",
		"parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]`, 0o666)
	m.file(filepath.Join(m.dir, "bad.json"), `{}`, 0o666)
	m.chat(`{"name": "tool", "when": {"last": "tool"}, "reply": [{"text": "<|channel|>final<|message|>Today: {result}."}]},` +
		`{"name": "call", "when": {"tools": ["get_weather"]}, "reply": [{"text": "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant` +
		`<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"}, {"text": "{\"city\":\"Paris\u007f\"}<|call|>"}]},` + echoes)
	m.enter("/tools bad.json")
	m.see("bad.json: want a JSON array")
	m.enter("/tools /dev/zero")
	m.see("/dev/zero is a pipe or a device: give a file")
	m.enter("/tools tools.json")
	m.see("Functions that are offered: 1.")
	m.enter("/tools")
	m.seeRows("get_weather          The␛[2J weather")
	m.enter("weather?")
	m.seeRows("I look.", `[calls get_weather] {"city":"Paris␡"}`)
	m.seeEnd("get_weather returns:")
	m.typed("rain")
	m.keys("Enter")
	m.seeRows("get_weather returns: rain", "Today: rain.")
	m.enter("/tools off")
	m.see("No functions are offered.")
	m.enter("bye now")
	m.see("You said: bye now")
	m.seeEnd(prompt)
	m.leave()
	messages := m.theSaved().Messages
	if len(messages) != 6 || messages[1].ToolCalls[0].Name != "get_weather" || messages[2].Role != chat.Tool || messages[2].Content != "rain" {
		t.Errorf("kept: %+v", messages)
	}
}

// TestSlashCommandsAreDocumented with all that they take.
func TestSlashCommandsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs", "chat.md"))
	if err != nil {
		t.Fatal(err)
	}
	words := slices.Clone(settings)
	for _, c := range slashCommands() {
		words = append(words, c.name)
	}
	for _, word := range append(words, "/bye") {
		if !strings.Contains(string(text), "`"+word) {
			t.Errorf("docs/chat.md does not have %s", word)
		}
	}
}

// TestLastCode finds the last block.
func TestLastCode(t *testing.T) {
	for text, want := range map[string]string{
		"none": "", "```\na\n```\ntext\n~~~sh\nb\n\nc\n~~~": "b\n\nc", "  ```go\n  x\n  ```": "  x", "```\ncut off": "cut off", "```\n~~~\n```": "~~~",
		"````\n```\nx\n```\n````": "```\nx\n```", "```a``` and\n```b c\nd\n```\n": "d",
	} {
		if got := lastCode(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gossamer/runtime/chat"
	"gossamer/runtime/jsonerror"
	"gossamer/tools/gossamer/internal/terminal"
)

// slashCommand is a command of a conversation.
type slashCommand struct {
	name, args, help string
	run              func(t *talk, ctx context.Context, rest string) error
	choices          func(dir string) []string // of what args may be; nil: anything
}

// slashCommands in the order of /help.
func slashCommands() []slashCommand {
	fixed := func(words ...string) func(string) []string { return func(string) []string { return words } }
	return []slashCommand{
		{"/new", "", "begin a new conversation; this one is kept", (*talk).slashNew, nil},
		{"/retry", "", "answer the last prompt again", (*talk).slashRetry, nil},
		{"/edit", "", "take the last prompt back and change it", (*talk).slashEdit, nil},
		{"/copy", "[code]", "copy the last answer, or its last block of code", (*talk).slashCopy, fixed("code")},
		{"/effort", "[LEVEL]", "how long the model reasons: none, low, medium, high", (*talk).slashEffort, fixed("none", "low", "medium", "high")},
		{"/think", "[WHAT]", "show the last reasoning; on, fold, off: that of replies", (*talk).slashThink, fixed(thinkOn, thinkFold, thinkOff)},
		{"/system", "[TEXT]", `what the model should follow; "": nothing`, (*talk).slashSystem, nil},
		{"/set", "[NAME [VALUE]]", "sampling and length of replies; without VALUE: what is set", (*talk).slashSet, fixed(settings...)},
		{"/tools", "[FILE]", "offer the functions of a JSON file to the model; off", (*talk).slashTools, fixed("off")},
		{"/save", "[NAME]", "keep the conversation under a name, or in a .json file", (*talk).slashSave, nil},
		{"/load", "[NAME]", "go on with a conversation; alone: list them", (*talk).slashLoad, func(dir string) []string {
			names, _ := savedChats(dir) // none are offered where none can be listed
			return slices.DeleteFunc(names, func(n string) bool { return string(terminal.Printable([]byte(n))) != n })
		}},
		{"/stats", "[on|off]", "numbers of the last reply; on, off: behind each", (*talk).slashStats, fixed("on", "off")},
		{"/help", "", "this list", (*talk).slashHelp, nil},
		{"/quit", "", "leave, as /bye, Ctrl-D and Ctrl-C twice do", (*talk).slashQuit, nil},
	}
}

// aliases are other names.
var aliases = map[string]string{"/bye": "/quit", "/exit": "/quit", "/?": "/help"}

// settings are the flags that /set changes.
var settings = []string{"temperature", "top-p", "top-k", "min-p", "seed", "max-tokens"}

// slash runs a command of the conversation.
func (t *talk) slash(ctx context.Context, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	if name, ok := aliases[word]; ok {
		word = name
	}
	for _, c := range slashCommands() {
		if c.name == word {
			rest = strings.TrimSpace(rest)
			if rest != "" && c.args == "" {
				return fmt.Errorf("%s takes nothing behind it", word)
			}
			return c.run(t, ctx, rest)
		}
	}
	return fmt.Errorf(`%s is no command, /help lists them; a prompt that begins so goes between """ and """`, word)
}

// completeSlash returns the lines that a command may become.
func completeSlash(dir, line string) (list []string) {
	word, rest, isComplete := strings.Cut(line, " ")
	for _, c := range slashCommands() {
		switch {
		case isComplete && c.name == word && c.choices != nil:
			for _, choice := range c.choices(dir) {
				if strings.HasPrefix(choice, rest) {
					list = append(list, word+" "+choice)
				}
			}
		case !isComplete && strings.HasPrefix(c.name, word):
			list = append(list, c.name)
		}
	}
	if len(list) == 1 && !isComplete && list[0] == line {
		list = completeSlash(dir, line+" ")
	}
	return list
}

func (t *talk) slashQuit(context.Context, string) error { return errLeave }

func (t *talk) slashHelp(context.Context, string) error {
	for _, c := range slashCommands() {
		t.print(fmt.Sprintf("%-20s %s\n", c.name+" "+c.args, c.help))
	}
	t.note("Alt-Enter: another line. Up: earlier prompts. Tab: completes a command. Ctrl-C: stops a reply.")
	return nil
}

func (t *talk) slashNew(context.Context, string) error {
	t.goAway()
	t.c.Request.Messages, t.file, t.sum, t.reasoning, t.usage = nil, "", checksum{}, "", chat.Usage{}
	t.note("A new conversation.")
	return nil
}

// takeBack removes the last prompt with all that followed.
func (t *talk) takeBack() (prompt string, err error) {
	messages := t.c.Request.Messages
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role == chat.User {
			t.c.Request.Messages = slices.Clone(messages[:i])
			return messages[i].Content, nil
		}
	}
	return "", fmt.Errorf("there is no prompt yet")
}

func (t *talk) slashRetry(ctx context.Context, _ string) error {
	before := t.c.Request.Messages
	prompt, err := t.takeBack()
	if err != nil {
		return err
	}
	kept := len(t.c.Request.Messages)
	err = t.say(ctx, chat.Message{Role: chat.User, Content: prompt})
	if len(t.c.Request.Messages) == kept { // nothing came: what was there stays
		t.c.Request.Messages = before
		err = errors.Join(err, t.save())
	}
	return err
}

func (t *talk) slashEdit(context.Context, string) error {
	prompt, err := t.takeBack()
	if err != nil {
		return err
	}
	t.ui.SetInput(prompt)
	return nil
}

func (t *talk) slashCopy(_ context.Context, what string) error {
	messages := t.c.Request.Messages
	if len(messages) == 0 {
		return fmt.Errorf("there is no answer yet")
	}
	text := messages[len(messages)-1].Content
	switch what {
	case "":
	case "code":
		if text = lastCode(text); text == "" {
			return fmt.Errorf("the last answer has no block of code")
		}
	default:
		return fmt.Errorf("/copy %s: want /copy or /copy code", what)
	}
	t.ui.Copy(text)
	t.note("Copied %d characters, if the terminal allows it.", len([]rune(text)))
	return nil
}

// lastCode is the inside of the last block of code.
func lastCode(text string) string {
	var code, inside []string
	fence := terminal.Fence("")
	for line := range strings.SplitSeq(text, "\n") {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch turned := fence.Turn(word); {
		case turned && fence == "":
			code = inside
		case turned:
			inside = nil
		case fence != "":
			inside = append(inside, line)
		}
	}
	if fence != "" { // the answer was cut off
		code = inside
	}
	return strings.Join(code, "\n")
}

func (t *talk) slashEffort(_ context.Context, level string) error {
	effort, err := parseEffort(cmp.Or(level, string(t.c.Request.Effort)))
	if err != nil {
		return err
	}
	t.c.Request.Effort = effort
	t.note("Reasoning effort: %s.", effort)
	return nil
}

func (t *talk) slashThink(_ context.Context, what string) error {
	if what == "" {
		if t.reasoning == "" {
			return fmt.Errorf("there is no reasoning yet")
		}
		r := reply{t: t, wrap: terminal.Wrapper{Width: t.ui.Width}, faint: true}
		r.write(t.reasoning)
		r.endLine()
		return nil
	}
	if err := checkThink(what); err != nil {
		return err
	}
	t.think = what
	t.note("Reasoning: %s.", what)
	return nil
}

func (t *talk) slashSystem(_ context.Context, text string) error {
	switch r := &t.c.Request; text {
	case "":
		if r.Instructions == "" {
			t.note("The model follows no instructions of yours: /system TEXT gives some.")
		} else {
			t.print(t.env.stdout.shown(r.Instructions) + "\n")
		}
	case `""`:
		r.Instructions = ""
		t.note("No instructions.")
	default:
		r.Instructions = text
		t.note("The model is told so from the next reply on.")
	}
	return nil
}

func (t *talk) slashSet(_ context.Context, rest string) error {
	flags := t.flags.set
	name, value, _ := strings.Cut(rest, " ")
	switch {
	case rest != "" && !slices.Contains(settings, name):
		return fmt.Errorf("/set %s: want one of %s", name, strings.Join(settings, ", "))
	case value == "":
		for _, n := range settings {
			if rest == "" || n == name {
				t.print(fmt.Sprintf("%-12s %s\n", n, cmp.Or(flags.Lookup(n).Value.String(), "another each time")))
			}
		}
		return nil
	}
	before := flags.Lookup(name).Value.String()
	err := flags.Set(name, strings.TrimSpace(value))
	if err == nil && t.flags.maxTokens < 0 {
		err = fmt.Errorf("max-tokens %d, want 0 or more", t.flags.maxTokens)
	}
	params, invalid := t.flags.sampling.params()
	if err == nil {
		err = invalid
	}
	if err != nil {
		flags.Set(name, before) // it was valid
		return fmt.Errorf("/set %s: %w", name, err)
	}
	t.c.Request.Sampling, t.c.Request.MaxTokens = &params, t.flags.maxTokens
	t.note("%s: %s.", name, flags.Lookup(name).Value)
	return nil
}

// toolFile is an element of a file of functions, as in requests of OpenAI's API.
type toolFile struct {
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	} `json:"function"`
}

func (t *talk) slashTools(ctx context.Context, file string) error {
	r := &t.c.Request
	switch file {
	case "":
		if len(r.Tools) == 0 {
			t.note("No functions are offered: /tools FILE offers those of a JSON array as the \"tools\" of OpenAI's API.")
		}
		for _, f := range r.Tools {
			t.print(t.env.stdout.shown(fmt.Sprintf("%-20s %s\n", f.Name, f.Description)))
		}
		return nil
	case "off":
		r.Tools = nil
		t.note("No functions are offered.")
		return nil
	}
	data, err := readRegular(file)
	if err != nil {
		return err
	}
	var list []toolFile
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("%s: want a JSON array as the \"tools\" of OpenAI's API: %w", file, jsonerror.Plain(err))
	}
	tried := *r
	tried.Tools = nil
	for _, f := range list {
		tried.Tools = append(tried.Tools, chat.Function{Name: f.Function.Name, Description: f.Function.Description, Parameters: f.Function.Parameters})
	}
	tried.Messages = []chat.Message{{Role: chat.User}}
	if _, err := t.e.Prepare(ctx, tried); err != nil {
		return err
	}
	r.Tools = tried.Tools
	t.note("Functions that are offered: %d. You are asked for what they return.", len(list))
	return nil
}

func (t *talk) slashSave(_ context.Context, name string) error {
	if t.dir == "" && t.file == "" && name == "" {
		return errNoPlace
	}
	file, sum := t.file, t.sum
	if name != "" {
		named, err := chatFile(t.dir, name)
		if err != nil {
			return err
		}
		if err := t.moveTo(named); err != nil {
			return err
		}
	}
	if err := t.save(); err != nil {
		t.file, t.sum = file, sum
		return err
	}
	t.note("Kept in %s, from now on too.", t.file)
	return nil
}

// moveTo lets the conversation be kept in a file that is not there yet.
func (t *talk) moveTo(file string) error {
	if file == t.file {
		return nil
	}
	if _, err := os.Stat(filepath.Dir(file)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no directory %s", filepath.Dir(file))
	}
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: choose another name", file)
	}
	t.file, t.sum = file, checksum{}
	return nil
}

func (t *talk) slashLoad(ctx context.Context, name string) error {
	if name == "" {
		names, err := savedChats(t.dir)
		if err != nil {
			return err
		}
		const most = 20
		for _, n := range names[:min(len(names), most)] {
			t.print(t.env.stdout.shown(n) + "\n")
		}
		if len(names) > most {
			t.note("and %d earlier ones", len(names)-most)
		}
		return nil
	}
	file, err := chatFile(t.dir, name)
	if err != nil {
		return err
	}
	t.goAway()
	err = t.load(ctx, file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no conversation %s; /load lists them", name)
	} else if err != nil {
		return err
	}
	t.showLoaded()
	return nil
}

func (t *talk) slashStats(_ context.Context, what string) error {
	switch what {
	case "":
		if t.usage == (chat.Usage{}) {
			return fmt.Errorf("there is no reply yet")
		}
		t.note("%s", numbers(t.usage))
		t.note("%s", t.gauge(t.usage))
	case "on", "off":
		t.stats = what == "on"
		t.note("Numbers behind each reply: %s.", what)
	default:
		return fmt.Errorf("/stats %s: want /stats, /stats on or /stats off", what)
	}
	return nil
}

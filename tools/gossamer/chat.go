package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"gossamer/runtime/chat"
)

func chatCommand() command {
	return command{
		name:  "chat",
		args:  "[PROMPT]",
		short: "talk with a model",
		long: `With a PROMPT, or a prompt on standard input, prints one answer; of both, the text
on standard input is appended. A PROMPT that begins with a dash goes behind two.
  gossamer chat "Summarise this." < notes.txt
  gossamer chat -- "-5 + 3"

Else converses. Alt-Enter begins another line, as does Enter between """ and """;
what is pasted is one prompt. Ctrl-C stops a reply, twice at the prompt it leaves,
as Ctrl-D does. /help lists commands, such as /new, /effort, /retry and /save.
Conversations are kept: -c goes on with the last one. docs/chat.md has the rest.

With --schema, --regex, --ebnf, --json-object or --choice answers are what that
says: tokens that would break it are never drawn, and with --max-tokens they end
in time. The model is shown a schema, but not the others: tell it what you want.

The model's reasoning is shown dimmed on a terminal and left out elsewhere.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			f := &chatFlags{set: fs}
			f.declare()
			return f.run
		},
	}
}

// chatFlags are the command line of chat.
type chatFlags struct {
	set          *flag.FlagSet
	model        modelFlags
	sampling     samplingFlags
	format       sourceFlags
	effort       string
	instructions string
	maxTokens    int
	think        string
	resume       bool
	stats, json  bool
}

func (f *chatFlags) declare() {
	f.model.declare(f.set)
	f.model.declarePlayback(f.set)
	f.declareRest()
}

// declareRest declares the flags that have nothing to do with which model answers.
func (f *chatFlags) declareRest() {
	fs := f.set
	f.model.declarePull(fs)
	f.sampling.declare(fs, 1)
	f.format.declare(fs)
	fs.StringVar(&f.effort, "effort", "medium", "how long the model reasons: none, low, `medium` or high")
	fs.StringVar(&f.instructions, "instructions", "", "`text` that the model should follow")
	fs.IntVar(&f.maxTokens, "max-tokens", 0, "end a reply after `n` tokens, reasoning included; 0: at a full context")
	fs.StringVar(&f.think, "think", thinkOn, "the model's reasoning on a terminal: `on` shows it, fold its last words, off nothing")
	fs.BoolVar(&f.resume, "continue", false, "go on with the last conversation")
	fs.BoolVar(&f.resume, "c", false, "short for --continue")
	fs.BoolVar(&f.stats, "stats", false, "tell tokens and rates after each reply")
	fs.BoolVar(&f.json, "json", false, "print one answer as a JSON object")
}

// request is what replies are asked for, without messages. source is the flag that says what they have to be.
func (f *chatFlags) request(ctx context.Context, env *env, source string) (r chat.Request, err error) {
	r = chat.Request{Instructions: f.instructions, MaxTokens: f.maxTokens}
	if f.maxTokens < 0 {
		return r, usagef("--max-tokens %d, want 0 or more", f.maxTokens)
	}
	if r.Effort, err = parseEffort(f.effort); err != nil {
		return r, err
	}
	if err := checkThink(f.think); err != nil {
		return r, err
	}
	params, err := f.sampling.params()
	if err != nil {
		return r, err
	}
	r.Sampling = &params
	if err := f.model.check(); err != nil {
		return r, err
	}
	switch {
	case source == "":
		return r, nil
	case f.format.schema == "-" || f.format.ebnf == "-":
		return r, usagef("%s wants a file: standard input is for the prompt", source)
	}
	r.Format, err = f.format.format(ctx, env)
	return r, err
}

func (f *chatFlags) run(ctx context.Context, env *env, args []string) error {
	if len(args) > 1 {
		return usagef("one PROMPT, in quotes, not %d arguments", len(args))
	}
	source, err := f.format.given(f.set)
	if err != nil {
		return err
	}
	r, err := f.request(ctx, env, source)
	if err != nil {
		return err
	}
	prompt, once, err := onePrompt(ctx, env, args)
	if err != nil {
		return err
	}
	if f.json && !once {
		return usagef("--json wants a PROMPT")
	}
	if err := f.model.ensure(ctx, env); err != nil { // before the keyboard is the conversation's
		return err
	}
	t := &talk{env: env, flags: f, source: source, once: once, think: f.think, stats: f.stats, colours: colours(env.stdout)}
	if !env.stdout.terminal {
		t.think = thinkOff
	}
	if err := t.openState(); err != nil {
		return err
	}
	if t.ui, err = t.openUI(); err != nil {
		return err
	}
	defer t.ui.Close()
	if !once {
		t.ui.Status("loading the model")
	}
	e, err := f.model.open(ctx, env)
	if err != nil {
		return err
	}
	defer e.Close()
	t.ui.Status("")
	first := r
	first.Messages = []chat.Message{{Role: chat.User}}
	if _, err := e.Prepare(ctx, first); err != nil { // now, not at each answer
		return refused(err, source)
	}
	if err := t.begin(ctx, e, r); err != nil {
		return err
	}
	switch {
	case f.json:
		return t.answerJSON(ctx, prompt)
	case once:
		return t.answer(ctx, prompt)
	}
	// Between a prompt and its reply Ctrl-C has nothing to stop.
	env.whileInterruptible(func() {}, func() { err = t.converse(ctx) })
	return err
}

func parseEffort(s string) (chat.Effort, error) {
	switch e := chat.Effort(s); e {
	case chat.None, chat.Low, chat.Medium, chat.High:
		return e, nil
	}
	return "", usagef("effort %q, want none, low, medium or high", s)
}

// onePrompt finds out whether there is a single prompt, and which.
func onePrompt(ctx context.Context, env *env, args []string) (prompt string, once bool, err error) {
	if len(args) == 1 && strings.TrimSpace(args[0]) == "" {
		return "", false, usagef("the prompt is empty")
	}
	if !isTerminal(env.stdin) {
		data, err := readNamed(ctx, env, "-")
		if err != nil {
			return "", false, err
		}
		prompt = strings.TrimRight(string(data), "\r\n")
	} else if len(args) == 0 {
		return "", false, nil
	}
	switch {
	case len(args) == 0 && strings.TrimSpace(prompt) == "":
		return "", false, usagef("the prompt is empty")
	case len(args) == 0:
		return prompt, true, nil
	case strings.TrimSpace(prompt) == "":
		return args[0], true, nil
	}
	return args[0] + "\n\n" + prompt, true, nil
}

// answered is the report of chat --json.
type answered struct {
	Content      string `json:"content"`
	Reasoning    string `json:"reasoning"`
	FinishReason string `json:"finish_reason"`
	Usage        struct {
		PromptTokens     int     `json:"prompt_tokens"`
		CachedTokens     int     `json:"cached_tokens"`
		CompletionTokens int     `json:"completion_tokens"`
		ReasoningTokens  int     `json:"reasoning_tokens"`
		FirstToken       float64 `json:"time_to_first_token_seconds"`
		PrefillRate      float64 `json:"prefill_tokens_per_second"`
		DecodeRate       float64 `json:"decode_tokens_per_second"`
	} `json:"usage"`
}

// answerJSON asks one question.
func (t *talk) answerJSON(ctx context.Context, prompt string) error {
	r, err := chat.Collect(t.c.Say(ctx, prompt))
	t.ui.Status("")
	if err != nil {
		return err
	}
	a := answered{Content: r.Message.Content, Reasoning: r.Message.Reasoning, FinishReason: string(r.Reason)}
	a.Usage.PromptTokens, a.Usage.CachedTokens = r.Usage.PromptTokens, r.Usage.CachedTokens
	a.Usage.CompletionTokens, a.Usage.ReasoningTokens = r.Usage.CompletionTokens, r.Usage.ReasoningTokens
	a.Usage.FirstToken, a.Usage.PrefillRate, a.Usage.DecodeRate = r.Usage.TimeToFirstToken.Seconds(), r.Usage.PrefillRate, r.Usage.DecodeRate
	return errors.Join(writeJSON(t.env.stdout, a), t.incomplete(r.Reason), ctx.Err(), t.save())
}

// incomplete is an error if the one answer had to be something and was cut off.
func (t *talk) incomplete(reason chat.FinishReason) error {
	if t.source == "" || reason != chat.FinishLength {
		return nil
	}
	return fmt.Errorf("the tokens ran out before the answer was what %s asks for: give more with --max-tokens, or a shorter conversation", t.source)
}

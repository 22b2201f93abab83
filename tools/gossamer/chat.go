package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
)

func chatCommand() command {
	return command{
		name:  "chat",
		args:  "[PROMPT]",
		short: "talk with a model",
		long: `With a PROMPT, or a prompt on standard input, prints one answer; of both, the text on standard input comes first and the PROMPT
below it: gossamer chat "Summarise this." < notes.txt. A PROMPT that begins with a dash goes behind two: gossamer chat -- "-5 + 3".

Else converses: Ctrl-C ends a reply or clears the line, Ctrl-D or Ctrl-C on an empty line ends the conversation; what is pasted is one
prompt, which Enter sends; /new forgets the conversation, /effort none|low|medium|high changes how long the model reasons, /help lists this.

With --schema, --regex, --ebnf, --json-object or --choice answers are what that says: tokens that would break it are never drawn, and
with --max-tokens they end in time. The model is shown a schema, but not the others: tell it what you want.

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
	if !once && f.json {
		return usagef("--json wants a PROMPT")
	}
	if err := f.model.ensure(ctx, env); err != nil { // before the keyboard is the conversation's
		return err
	}
	var lines prompter
	if !once {
		if lines, err = openPrompter(env); err != nil {
			return err
		}
		defer lines.close()
	}
	e, err := f.model.open(ctx, env)
	if err != nil {
		return err
	}
	defer e.Close()
	first := r
	first.Messages = []chat.Message{{Role: chat.User}}
	if _, err := e.Prepare(ctx, first); err != nil { // now, not at each answer
		return refused(err, source)
	}
	t := &talk{env: env, dim: colours(env.stdout), stats: f.stats, json: f.json, source: source, c: e.Conversation(r)}
	if once {
		return t.answer(ctx, prompt)
	}
	return t.converse(ctx, e, lines)
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
	return prompt + "\n\n" + args[0], true, nil
}

// colours says whether a stream shows ANSI attributes.
func colours(o *output) bool {
	return o.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// prompter is where the prompts of a conversation come from.
type prompter interface {
	// next returns the next prompt; io.EOF says that there is none.
	next(ctx context.Context) (string, error)
	close()
}

// openPrompter returns what suits the terminal.
func openPrompter(env *env) (prompter, error) {
	if os.Getenv("TERM") == "dumb" {
		return &lineReader{env: env}, nil
	}
	return openKeyboard(env)
}

// lineReader reads prompts of one line from a terminal that knows no escape sequences.
type lineReader struct {
	env *env
	in  *bufio.Reader
}

func (r *lineReader) next(ctx context.Context) (string, error) {
	if r.in == nil {
		r.in = bufio.NewReader(r.env.reader(ctx))
	}
	fmt.Fprint(r.env.stdout, "> ")
	line, err := r.in.ReadString('\n')
	if line != "" && errors.Is(err, io.EOF) {
		err = nil
	}
	if ctx.Err() != nil {
		err = io.EOF
	}
	return line, err
}

func (r *lineReader) close() {}

// talk is a conversation on a terminal, or one question.
type talk struct {
	env   *env
	c     *chat.Conversation
	dim   bool // show reasoning, dimmed
	stats bool
	json  bool

	source string            // the flag that says what answers have to be
	reason chat.FinishReason // of the last answer
}

// converse answers prompts until there are no more.
func (t *talk) converse(ctx context.Context, e *gossamer.Engine, prompts prompter) error {
	fmt.Fprintf(t.env.stderr, "%s\nCtrl-C ends a reply, Ctrl-D the conversation, /help lists commands.\n", describe(e))
	for {
		fmt.Fprintln(t.env.stdout)
		text, err := prompts.next(ctx)
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(t.env.stdout)
			return nil
		}
		if err != nil {
			return err
		}
		text = strings.TrimRight(text, " \t\r\n")
		switch line := strings.TrimSpace(text); {
		case line == "":
		case strings.HasPrefix(line, "/") && !strings.Contains(line, "\n"):
			if quit := t.slash(line); quit {
				return nil
			}
		default:
			reply, cancel := context.WithCancel(ctx)
			t.env.whileInterruptible(cancel, func() { err = t.show(t.c.Say(reply, text)) })
			cancel()
			if err != nil && !errors.Is(err, context.Canceled) {
				// The history is as before the question: another one may fit.
				fmt.Fprintf(t.env.stderr, "gossamer chat: %v\n", err)
			}
		}
	}
}

// slash runs a command of the conversation.
func (t *talk) slash(line string) (quit bool) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "/quit", "/exit", "/bye":
		return true
	case "/new":
		t.c.Request.Messages = nil
		fmt.Fprintln(t.env.stderr, "A new conversation.")
	case "/effort":
		level, err := parseEffort(strings.TrimSpace(rest))
		if err != nil {
			fmt.Fprintln(t.env.stderr, err)
			return false
		}
		t.c.Request.Effort = level
		fmt.Fprintf(t.env.stderr, "Reasoning effort: %s.\n", level)
	case "/help":
		fmt.Fprintln(t.env.stderr, "/new forgets the conversation, /effort none|low|medium|high changes how long the model reasons, /quit ends.")
	default:
		fmt.Fprintf(t.env.stderr, "%s is not a command; /help lists them.\n", word)
	}
	return false
}

// show prints a reply as it comes.
func (t *talk) show(events iter.Seq2[chat.Event, error]) error {
	w := t.env.stdout
	reasoning := false // dimmed text is open
	endReasoning := func() {
		if reasoning {
			w.control("\x1b[0m")
			fmt.Fprintln(w)
			reasoning = false
		}
	}
	defer endReasoning()
	for e, err := range events {
		if err != nil {
			endReasoning()
			fmt.Fprintln(w)
			return err
		}
		switch e := e.(type) {
		case chat.ItemStart:
			if e.Kind != chat.Reasoning {
				endReasoning()
			}
			if e.Kind != chat.Reasoning || t.dim {
				fmt.Fprint(w, e.Separator)
			}
			if e.Kind == chat.Call {
				fmt.Fprintf(w, "[calls %s] ", e.Name)
			}
		case chat.ReasoningDelta:
			if t.dim {
				if !reasoning {
					w.control("\x1b[2m")
					reasoning = true
				}
				fmt.Fprint(w, e.Text)
			}
		case chat.ContentDelta:
			endReasoning()
			fmt.Fprint(w, e.Text)
		case chat.ToolCallDelta:
			fmt.Fprint(w, e.Arguments)
		case chat.Done:
			endReasoning()
			fmt.Fprintln(w)
			t.tell(e)
		}
	}
	return nil
}

// tell says why a reply was cut off, and its numbers if they are wanted.
func (t *talk) tell(d chat.Done) {
	t.reason = d.Reason
	switch d.Reason {
	case chat.FinishLength:
		fmt.Fprintln(t.env.stderr, "(cut off: the token limit or the context is reached)")
	case chat.FinishCancelled:
		fmt.Fprintln(t.env.stderr, "(stopped)")
	}
	if t.stats {
		u := d.Usage
		fmt.Fprintf(t.env.stderr, "(%d tokens, %d of them reasoning, %.1f tokens/s; prompt %d, %d from memory, %.1f tokens/s; first token after %.2f s)\n",
			u.CompletionTokens, u.ReasoningTokens, u.DecodeRate, u.PromptTokens, u.CachedTokens, u.PrefillRate, u.TimeToFirstToken.Seconds())
	}
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

// answer asks one question.
func (t *talk) answer(ctx context.Context, prompt string) error {
	if !t.json {
		if err := t.show(t.c.Say(ctx, prompt)); err != nil {
			return err
		}
		return errors.Join(t.incomplete(), ctx.Err())
	}
	r, err := chat.Collect(t.c.Say(ctx, prompt))
	if err != nil {
		return err
	}
	a := answered{Content: r.Message.Content, Reasoning: r.Message.Reasoning, FinishReason: string(r.Reason)}
	a.Usage.PromptTokens, a.Usage.CachedTokens = r.Usage.PromptTokens, r.Usage.CachedTokens
	a.Usage.CompletionTokens, a.Usage.ReasoningTokens = r.Usage.CompletionTokens, r.Usage.ReasoningTokens
	a.Usage.FirstToken, a.Usage.PrefillRate, a.Usage.DecodeRate = r.Usage.TimeToFirstToken.Seconds(), r.Usage.PrefillRate, r.Usage.DecodeRate
	t.reason = r.Reason
	return errors.Join(writeJSON(t.env.stdout, a), t.incomplete(), ctx.Err())
}

// incomplete is an error if the answer had to be something and was cut off.
func (t *talk) incomplete() error {
	if t.source == "" || t.reason != chat.FinishLength {
		return nil
	}
	return fmt.Errorf("the tokens ran out before the answer was what %s asks for: give more with --max-tokens, or a shorter conversation", t.source)
}

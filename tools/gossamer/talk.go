package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	gossamer "gossamer/runtime"
	"gossamer/runtime/chat"
	"gossamer/tools/gossamer/internal/terminal"
)

// What is shown of the reasoning.
const (
	thinkOn   = "on"
	thinkFold = "fold"
	thinkOff  = "off"
)

func checkThink(s string) error {
	if s != thinkOn && s != thinkFold && s != thinkOff {
		return usagef("think %q, want on, fold or off", s)
	}
	return nil
}

// talk is a conversation on a terminal, or one question.
type talk struct {
	env     *env
	flags   *chatFlags
	source  string // the flag that says what answers have to be
	ui      ui
	e       *gossamer.Engine
	c       *chat.Conversation
	once    bool   // one question
	colours bool   // text may be dimmed
	think   string // thinkOn, thinkFold or thinkOff
	stats   bool   // all numbers behind each reply

	dir     string   // where conversations are kept; "": nowhere
	file    string   // of this one; "": none yet
	sum     checksum // of it as it was last read or written here
	waiting bool     // it has prompts that wait

	replying   sync.Mutex     // held where the next is read or written, and while prompts that wait are saved
	unanswered []chat.Message // the conversation up to the prompt whose reply is being waited for; nil: there is none
	reasoning  string         // of the last reply
	usage      chat.Usage
}

// openState finds the place for what is kept. Without one a conversation goes on, unless it is to be an earlier one.
func (t *talk) openState() error {
	if t.once && !t.flags.resume {
		return nil
	}
	dir, err := stateDir()
	if err == nil {
		t.dir = dir
	} else if t.flags.resume {
		return err
	} else {
		fmt.Fprintf(t.env.stderr, "gossamer chat: the conversation is not kept: %v\n", err)
	}
	if t.flags.resume {
		t.file, err = lastChat(t.dir)
	}
	return err
}

// openUI takes the terminal.
func (t *talk) openUI() (ui, error) {
	if t.once {
		return &lines{env: t.env, once: true}, nil
	}
	name := ""
	if t.dir != "" {
		name = filepath.Join(t.dir, "history")
	}
	history, err := terminal.OpenHistory(name)
	if err != nil {
		fmt.Fprintf(t.env.stderr, "gossamer chat: prompts of earlier are not offered: %v\n", err)
	}
	return openUI(t.env, terminal.Options{
		Plain: !t.colours, History: history, Interrupt: t.env.interrupt,
		Complete: func(line string) []string { return completeSlash(t.dir, line) },
		Entered:  t.keepWaiting,
		Failed:   func(err error) { fmt.Fprintf(t.env.stderr, "gossamer chat: the prompt is not kept: %v\n", err) },
	})
}

// begin begins the conversation, or goes on with one; r is what replies are asked for.
func (t *talk) begin(ctx context.Context, e *gossamer.Engine, r chat.Request) error {
	t.e, t.c = e, e.Conversation(r)
	t.c.Request.Progress = func(done, total int) {
		if done < total {
			t.ui.Status(fmt.Sprintf("reading the prompt, %d of %d tokens", done, total))
		} else {
			t.ui.Status("waiting for the first token")
		}
	}
	if t.file == "" {
		return nil
	}
	if err := t.load(ctx, t.file); err != nil {
		return fmt.Errorf("%w: a chat without --continue begins another one, and its /load goes on with earlier ones", err)
	}
	return nil
}

// answer answers one question.
func (t *talk) answer(ctx context.Context, prompt string) error {
	done, err := t.show(t.c.Say(ctx, prompt))
	if err != nil {
		return err
	}
	t.tell(done)
	return errors.Join(t.incomplete(done.Reason), ctx.Err(), t.save())
}

// converse answers prompts until there are no more.
func (t *talk) converse(ctx context.Context) error {
	if !signal.Ignored(syscall.SIGHUP) { // the terminal is gone: what came of a reply is kept
		var stop func()
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
	}
	t.print(t.wrapped(describe(t.e)) + "\n")
	t.note("Ctrl-C stops a reply, Ctrl-D leaves, Alt-Enter begins another line, /help lists commands.")
	if t.file != "" {
		t.showLoaded()
	}
	for {
		t.print("\n")
		text, err := t.next(ctx, "")
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		text = strings.TrimRight(text, " \t\r\n")
		switch line := strings.TrimSpace(text); {
		case line == "":
			continue
		case isCommand(line):
			err = t.slash(ctx, line)
		default:
			err = t.say(ctx, chat.Message{Role: chat.User, Content: text})
		}
		switch {
		case errors.Is(err, errLeave):
			return nil
		case err != nil && !errors.Is(err, context.Canceled):
			t.print(t.wrapped(err.Error()) + "\n")
		}
	}
}

// next asks for a prompt and shows it as it was entered.
func (t *talk) next(ctx context.Context, label string) (string, error) {
	t.ui.SetLabel(label)
	defer t.ui.SetLabel("")
	text, err := t.ui.Next(ctx)
	if _, echoed := t.ui.(*lines); err == nil && !echoed {
		t.echo(label, text)
	}
	return text, err
}

// echoedLines are shown of a prompt.
const echoedLines = 20

// echo shows a prompt that was entered.
func (t *talk) echo(label, text string) {
	wrap := terminal.Wrapper{Width: func() int { return t.ui.Width() - 2 }}
	text = wrap.Add(t.env.stdout.shown(text)) + wrap.End()
	rows := strings.Split(text, "\n")
	if n := len(rows) - echoedLines; n > 1 {
		rows = append(rows[:echoedLines:echoedLines], t.faint(fmt.Sprintf("(%d more lines)", n)))
	}
	if label == "" {
		label = "> "
	}
	t.print(t.bold(label+rows[0]) + "\n")
	for _, row := range rows[1:] {
		t.print("  " + t.bold(row) + "\n")
	}
}

// errLeave says that the user wants to leave.
var errLeave = errors.New("the conversation is over")

// say sends messages and shows the reply. Where the model calls functions, the user is asked for their results.
func (t *talk) say(ctx context.Context, messages ...chat.Message) error {
	for {
		t.keep(messages)
		t.answering(slices.Concat(t.c.Request.Messages, messages))
		reply, cancel := context.WithCancel(ctx)
		var done chat.Done
		err := error(nil)
		t.ui.Status("waiting for the model")
		t.env.whileInterruptible(cancel, func() { done, err = t.show(t.c.Send(reply, messages...)) })
		cancel()
		t.answering(nil)
		if err != nil {
			return err // the history is as before the prompt: another one may fit
		}
		t.usage = done.Usage
		t.tell(done)
		if err := t.save(); err != nil {
			return err
		}
		if done.Reason != chat.FinishToolCalls {
			return nil
		}
		history := t.c.Request.Messages
		messages = nil
		for _, call := range history[len(history)-1].ToolCalls {
			result, err := t.next(ctx, t.env.stdout.shown(call.Name)+" returns: ")
			if errors.Is(err, io.EOF) {
				return errLeave
			} else if err != nil {
				return err
			}
			messages = append(messages, chat.Message{Role: chat.Tool, Content: result, ToolCallID: call.ID})
		}
	}
}

// showLoaded shows what was said last.
func (t *talk) showLoaded() {
	messages := t.c.Request.Messages
	prompts := 0
	for _, m := range messages {
		if m.Role == chat.User {
			prompts++
		}
	}
	t.note("Goes on with %s. Prompts until now: %d.", filepath.Base(t.file), prompts)
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role != chat.User {
			continue
		}
		t.print("\n")
		t.echo("", messages[i].Content)
		break
	}
	if n := len(messages); n > 0 {
		r := reply{t: t, wrap: terminal.Wrapper{Width: t.ui.Width}}
		r.write(messages[n-1].Content)
		r.endLine()
	}
}

// tell says why a reply was cut off, and its numbers.
func (t *talk) tell(d chat.Done) {
	switch d.Reason {
	case chat.FinishLength:
		t.note("(cut off: the token limit or the context is reached)")
	case chat.FinishCancelled:
		if t.env.stdout.failure() == nil { // else that is the reason, which is told at the end
			t.note("(stopped)")
		}
	}
	switch {
	case t.stats:
		t.note("(%s)", numbers(d.Usage))
	case !t.once:
		t.note("%s", t.gauge(d.Usage))
	}
}

// numbers are all that are known of a reply.
func numbers(u chat.Usage) string {
	return fmt.Sprintf("%d tokens, %d of them reasoning, %.1f tokens/s; prompt %d, %d from memory, %.1f tokens/s; first token after %.2f s",
		u.CompletionTokens, u.ReasoningTokens, u.DecodeRate, u.PromptTokens, u.CachedTokens, u.PrefillRate, u.TimeToFirstToken.Seconds())
}

// gauge says how fast a reply came and how much of the context is taken.
func (t *talk) gauge(u chat.Usage) string {
	const cells = 10
	used, all := u.PromptTokens+u.CompletionTokens, max(t.e.Info().Context, 1)
	full := min((used*cells+all-1)/all, cells)
	text := fmt.Sprintf("context %s%s %d of %d", strings.Repeat("█", full), strings.Repeat("░", cells-full), used, all)
	switch {
	case u.CompletionTokens == 0:
		return text
	case u.DecodeRate == 0: // there is none of a single token
		return fmt.Sprintf("%d tokens, %s", u.CompletionTokens, text)
	}
	return fmt.Sprintf("%d tokens, %.1f tokens/s, %s", u.CompletionTokens, u.DecodeRate, text)
}

// aside says whether what the program itself says goes to standard error, since standard output is for answers alone.
func (t *talk) aside() bool { return t.once || !t.env.stdout.terminal }

// print shows text of the program.
func (t *talk) print(text string) {
	if t.aside() {
		fmt.Fprint(t.env.stderr, text)
		return
	}
	t.ui.Print(text)
}

// note shows a remark of the program, a line.
func (t *talk) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if t.aside() {
		fmt.Fprintln(t.env.stderr, text)
		return
	}
	for line := range strings.SplitSeq(t.wrapped(text), "\n") {
		t.print(t.faint(line) + "\n")
	}
}

// wrapped is a text that may have others' words in it, as the terminal shows it.
func (t *talk) wrapped(text string) string {
	wrap := terminal.Wrapper{Width: t.ui.Width}
	return wrap.Add(t.env.stderr.shown(text)) + wrap.End()
}

func (t *talk) faint(text string) string {
	if !t.colours || text == "" {
		return text
	}
	return terminal.Faint(text)
}

func (t *talk) bold(text string) string {
	if !t.colours || text == "" {
		return text
	}
	return "\x1b[1m" + text + "\x1b[22m"
}

// colours says whether a stream shows ANSI attributes.
func colours(o *output) bool {
	return o.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"

	"gossamer/tools/gossamer/internal/terminal"
)

// ui is where a conversation is held.
type ui interface {
	screen
	Next(ctx context.Context) (string, error) // the next prompt; io.EOF says that there is none
	Waiting() []string                        // prompts that Next is going to return without asking
	SetInput(text string)                     // for the user to change
	SetLabel(text string)                     // before the input; "": the usual one
	Copy(text string)                         // into the clipboard
	Width() int                               // in columns; 0: any
	Close()
}

// openUI returns what suits the terminal.
func openUI(env *env, o terminal.Options) (ui, error) {
	if os.Getenv("TERM") == "dumb" || !env.stdout.terminal {
		return &lines{env: env}, nil
	}
	o.In, o.Out = env.stdin.(*os.File), env.stdout.w.(*os.File)
	s, err := terminal.Open(o)
	if err != nil {
		return nil, err
	}
	abort := s.Abort
	env.abort.Store(&abort)
	env.stdout.divert(s)
	if env.stderr.terminal {
		env.stderr.divert(s)
	}
	return &diverted{s, env}, nil
}

// diverted is a screen that gives the outputs back.
type diverted struct {
	*terminal.Screen
	env *env
}

func (d *diverted) Next(ctx context.Context) (text string, err error) {
	d.env.whileInterruptible(d.Interrupt, func() { text, err = d.Screen.Next(ctx) })
	return text, err
}

func (d *diverted) Close() {
	d.env.stdout.divert(nil)
	d.env.stderr.divert(nil)
	d.Screen.Close()
	d.env.abort.Store(nil)
}

// lines is a terminal that knows no escape sequences, or one answer.
type lines struct {
	env   *env
	once  bool // nothing is read
	label string
	in    *bufio.Reader // nil before the first prompt
	end   func()        // no more is read
}

func (l *lines) Next(ctx context.Context) (text string, err error) {
	if l.in == nil {
		ctx, l.end = context.WithCancel(ctx)
		l.in = bufio.NewReader(l.env.reader(ctx))
	}
	l.env.whileInterruptible(l.end, func() { text, err = l.read() })
	return text, err
}

func (l *lines) read() (text string, err error) {
	label := l.label
	if label == "" {
		label = "> "
	}
	for {
		fmt.Fprint(l.env.stderr, label)
		line, err := l.in.ReadString('\n')
		text += line
		if errors.Is(err, context.Canceled) || err != nil && text == "" {
			fmt.Fprintln(l.env.stderr)
			return "", io.EOF
		}
		if inner, complete := terminal.Unquote(text); complete || errors.Is(err, io.EOF) {
			return inner, nil
		}
		label = "  "
	}
}

func (l *lines) Print(text string) { l.env.stdout.print(text) }

func (l *lines) Status(text string) {
	if l.once && os.Getenv("TERM") != "dumb" {
		l.env.stderr.show(text)
	}
}

func (l *lines) Waiting() []string     { return nil }
func (l *lines) SetInput(text string)  { fmt.Fprintln(l.env.stderr, text) }
func (l *lines) SetLabel(label string) { l.label = label }
func (l *lines) Width() int            { return l.env.stdout.width() }

func (l *lines) Close() {
	if l.end != nil {
		l.end()
	}
}

func (l *lines) Copy(text string) {
	l.env.stdout.control("\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(text)) + "\a")
}

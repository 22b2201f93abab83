// Command gossamer runs gpt-oss models: as a chat in the terminal, and stage by stage for comparison with other implementations.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
)

// Exit statuses.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports SIGINT
)

// command is one subcommand.
type command struct {
	name  string
	args  string // of the usage line, after the flags
	short string // one line for the list of commands
	long  string // further paragraphs of its help; may be empty
	// setup declares flags and returns the function that runs once they are parsed.
	setup func(fs *flag.FlagSet) func(ctx context.Context, env *env, args []string) error
}

// env is what a command sees of the process.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	interrupt      atomic.Pointer[func()] // what Ctrl-C does instead of ending the command
}

// onInterrupt lets Ctrl-C call f until restore is called.
func (e *env) onInterrupt(f func()) (restore func()) {
	e.interrupt.Store(&f)
	return func() { e.interrupt.Store(nil) }
}

// usageError is a mistake in how the command was called.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

func main() {
	env := &env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for s := range signals {
			if f := env.interrupt.Load(); f != nil && s == os.Interrupt {
				(*f)()
				continue
			}
			if ctx.Err() != nil {
				os.Exit(exitInterrupted) // asked twice: whatever is in the way does not matter
			}
			cancel()
		}
	}()
	os.Exit(run(ctx, os.Args[1:], env))
}

// commands in the order of the help text.
func commands() []command {
	return []command{
		chatCommand(), modelsCommand(), packCommand(), generateCommand(), logitsCommand(), benchCommand(), doctorCommand(),
		tokenizeCommand(), renderCommand(), parseCommand(),
	}
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, args []string, env *env) int {
	if len(args) == 1 && slices.Contains([]string{"version", "--version", "-version"}, args[0]) {
		fmt.Fprintln(env.stdout, versionLine())
		return exitOK
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		usage(env.stdout)
		if len(args) == 0 {
			return exitUsage
		}
		return exitOK
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], env)
		}
	}
	fmt.Fprintf(env.stderr, "gossamer: unknown command %q\n\n", args[0])
	usage(env.stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "gossamer runs OpenAI's gpt-oss models on WebGPU.\n\nusage: gossamer COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.short)
	}
	fmt.Fprint(w, "\ngossamer COMMAND --help describes a command's flags, gossamer --version tells the version.\n")
}

func (c command) run(ctx context.Context, args []string, env *env) int {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	execute := c.setup(fs)
	rest, err := parseInterspersed(fs, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help(env.stdout, fs)
		return exitOK
	case err != nil:
		err = usageError{err.Error()}
	default:
		err = execute(ctx, env, rest)
	}
	var misuse usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &misuse):
		fmt.Fprintf(env.stderr, "gossamer %s: %v\nTry: gossamer %s --help\n", c.name, err, c.name)
		return exitUsage
	case ctx.Err() != nil:
		fmt.Fprintf(env.stderr, "gossamer %s: interrupted\n", c.name)
		return exitInterrupted
	case errors.Is(err, syscall.EPIPE):
		return exitFailure // the reader of our output has gone; it knows
	}
	fmt.Fprintf(env.stderr, "gossamer %s: %v\n", c.name, err)
	return exitFailure
}

// parseInterspersed parses flags before, between and after the arguments; "--" ends them.
func parseInterspersed(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		left := fs.Args()
		if len(left) == 0 {
			return rest, nil
		}
		if parsed := args[:len(args)-len(left)]; len(parsed) > 0 && parsed[len(parsed)-1] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

func (c command) help(w io.Writer, fs *flag.FlagSet) {
	fmt.Fprintf(w, "usage: gossamer %s [flags] %s\n\n%s\n", c.name, c.args, c.short)
	if c.long != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.long))
	}
	fmt.Fprint(w, "\nflags:\n")
	fs.VisitAll(func(f *flag.Flag) {
		name, text := flag.UnquoteUsage(f)
		if name != "" {
			name = " " + name
		}
		if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "false" {
			text += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		fmt.Fprintf(w, "  --%s%s\n        %s\n", f.Name, name, text)
	})
}

// noArgs refuses arguments.
func noArgs(args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	return nil
}

// writeJSON writes v as one line.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

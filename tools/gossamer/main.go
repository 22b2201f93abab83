// Command gossamer runs gpt-oss models: as a chat in the terminal, and stage by stage for comparison with other implementations.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"gossamer/runtime/gpu"
)

// Exit statuses.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitDifference  = 3   // of grammar: it contradicts itself
	exitCrash       = 70  // sysexits.h: an internal fault
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
	stdout, stderr *output
	onInterrupt    atomic.Pointer[func()] // what Ctrl-C does instead of ending the command
	cancel         atomic.Pointer[func()] // ends the command
	abort          atomic.Pointer[func()] // gives the terminal back when the process ends at once
}

func newEnv(stdin io.Reader, stdout, stderr io.Writer) *env {
	e := &env{stdin: stdin, stdout: newOutput(stdout), stderr: newOutput(stderr)}
	e.stderr.visible = true // it is for people, also when it is kept in a file
	return e
}

// whileInterruptible lets Ctrl-C call interrupt while f runs.
func (e *env) whileInterruptible(interrupt, f func()) {
	before := e.onInterrupt.Swap(&interrupt)
	defer e.onInterrupt.Store(before)
	f()
}

// interrupt is what Ctrl-C does.
func (e *env) interrupt() {
	if f := e.onInterrupt.Load(); f != nil {
		(*f)()
		return
	}
	e.end()
}

// end ends the command; asked twice, it ends the process, since whatever is in the way does not matter.
func (e *env) end() {
	if f := e.cancel.Swap(nil); f != nil {
		(*f)()
		return
	}
	if f := e.abort.Load(); f != nil {
		(*f)()
	}
	os.Exit(exitInterrupted)
}

// usageError is a mistake in how the command was called.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// statusError ends a command with an exit status of its own.
type statusError struct {
	status int
	text   string
}

func (e statusError) Error() string { return e.text }

func main() {
	log.SetOutput(io.Discard) // net/http writes there what it notices about servers, which is no word to users
	env := newEnv(os.Stdin, os.Stdout, os.Stderr)
	signal.Ignore(syscall.SIGPIPE) // a write to a closed pipe is an error instead, which is told
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	env.cancel.Store((*func())(&cancel))
	go func() {
		for s := range signals {
			if s == os.Interrupt {
				env.interrupt()
			} else {
				env.end()
			}
		}
	}()
	os.Exit(run(ctx, os.Args[1:], env))
}

// commands in the order of the help text.
func commands() []command {
	return []command{
		runCommand(), chatCommand(), appCommand(), serveCommand(), pullCommand(), modelsCommand(), packCommand(), generateCommand(), logitsCommand(),
		benchCommand(), doctorCommand(),
		tokenizeCommand(), renderCommand(), parseCommand(), playbackCommand(), grammarCommand(),
		completionCommand(), manCommand(), versionCommand(),
	}
}

// What a report of a fault should have.
const (
	crashReport = "This is a fault of gossamer. Please report it, with the lines above and what `gossamer doctor --json` says."
	lossReport  = "If this happens again, please report it, with what `gossamer doctor --json` says."
)

// run executes one command line and returns the exit status.
func run(ctx context.Context, args []string, env *env) (status int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() {
		if fault := recover(); fault != nil {
			fmt.Fprintf(env.stderr, "panic: %v\n\n%s\n%s\n%s\n", fault, debug.Stack(), versionLine(), crashReport)
			status = exitCrash
		}
	}()
	env.stdout.onLoss(func(error) { cancel() }) // what nobody will read need not be computed
	name, err := execute(ctx, args, env)
	var misuse usageError
	switch lost := env.stdout.failure(); {
	case lost != nil:
		err = fmt.Errorf("standard output cannot be written, so the rest of it is lost: %w", lost)
	case err == nil:
		return exitOK
	case errors.As(err, &misuse):
		help := strings.TrimSpace(name + " --help")
		fmt.Fprintf(env.stderr, "%s: %v\nTry: gossamer %s\n", strings.TrimSpace("gossamer "+name), err, help)
		return exitUsage
	case ctx.Err() != nil:
		fmt.Fprintf(env.stderr, "gossamer %s: interrupted\n", name)
		return exitInterrupted
	}
	env.tell(name, err)
	var own statusError
	if errors.As(err, &own) {
		return own.status
	}
	return exitFailure
}

// tell writes why a command failed, and what to report if that may help.
func (e *env) tell(name string, err error) {
	fmt.Fprintf(e.stderr, "%s: %v\n", strings.TrimSpace("gossamer "+name), err)
	if errors.Is(err, gpu.ErrLost) {
		fmt.Fprintln(e.stderr, lossReport)
	}
}

// execute runs the command that a command line names.
func execute(ctx context.Context, args []string, env *env) (name string, err error) {
	switch {
	case hasDesktop() && env.stdout.terminal && (len(args) == 0 || strings.HasPrefix(args[0], "--model")): // as when its icon is clicked
		args = append([]string{"app"}, args...)
	case len(args) == 0:
		usage(env.stderr)
		return "", usagef("which COMMAND?")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "-version", "--version":
		name = "version"
	case "help", "-h", "-help", "--help":
		if len(rest) == 0 {
			usage(env.stdout)
			return "", nil
		}
		if len(rest) > 1 {
			return "", usagef("help wants one COMMAND, not %d", len(rest))
		}
		name, rest = rest[0], []string{"--help"}
	}
	for _, c := range commands() {
		if c.name == name {
			return name, c.run(ctx, rest, env)
		}
	}
	return "", usagef("unknown command %q", name)
}

func usage(w io.Writer) {
	fmt.Fprint(w, "gossamer runs OpenAI's gpt-oss models on WebGPU.\n\nusage: gossamer COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, " %-10s %s\n", c.name, c.short)
	}
	fmt.Fprint(w, "\ngossamer help COMMAND describes a command and its flags; gossamer --version\ntells the version.\n")
}

func (c command) run(ctx context.Context, args []string, env *env) error {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	execute := c.setup(fs)
	plain(fs)
	rest, err := parseInterspersed(fs, spelledOut(fs, args))
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help(env.stdout, fs)
		return nil
	case err != nil:
		return c.misuse(err)
	}
	if err := settle(fs); err != nil {
		return err
	}
	return execute(ctx, env, rest)
}

// misuse says what is wrong with flags, which may be an argument that looks like one.
func (c command) misuse(err error) error {
	text := err.Error()
	if given, ok := strings.CutPrefix(text, "flag provided but not defined: "); ok {
		text = fmt.Sprintf("there is no flag %s", given)
	} else if given, ok := strings.CutPrefix(text, "bad flag syntax: "); ok {
		text = fmt.Sprintf("%s is no flag", given)
	} else {
		return usageError{text}
	}
	if c.args != "" {
		text += fmt.Sprintf("; an argument that begins with a dash goes behind two: gossamer %s -- ARGUMENT", c.name)
	}
	return usageError{text}
}

// spelledOut has --verbose in place of -v, for commands that have that flag.
func spelledOut(fs *flag.FlagSet, args []string) []string {
	args = slices.Clone(args)
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		if args[i] == "-v" && fs.Lookup("verbose") != nil {
			args[i] = "--verbose"
		}
	}
	return args
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
		fmt.Fprintf(w, "\n%s\n", filled(c.long))
	}
	fmt.Fprint(w, "\nflags, and the environment variables that stand for those that are left out:\n")
	fs.VisitAll(func(f *flag.Flag) {
		name, text := flag.UnquoteUsage(f)
		if name != "" {
			name = " " + name
		}
		if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "false" {
			text += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		fmt.Fprintf(w, "  --%s%s, %s\n%s\n", f.Name, name, variable(f.Name), filled("        "+text))
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

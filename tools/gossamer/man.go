package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	gossamer "gossamer/runtime"
)

// manCommand is for packages, which install what it writes.
func manCommand() command {
	return command{
		name:  "man",
		args:  "[COMMAND]",
		short: "write the manual page of this program or of one of its commands",
		setup: func(*flag.FlagSet) func(context.Context, *env, []string) error {
			return func(_ context.Context, env *env, args []string) error {
				if len(args) == 0 {
					programPage(env.stdout)
					return nil
				}
				all := commands()
				i := slices.IndexFunc(all, func(c command) bool { return c.name == args[0] })
				if len(args) > 1 || i < 0 {
					return usagef("there is no page of %q", strings.Join(args, " "))
				}
				all[i].page(env.stdout)
				return nil
			}
		},
	}
}

// roff writes text so that it is only text to roff.
func roff(text string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func pageHead(w io.Writer, name, short string) {
	fmt.Fprintf(w, ".TH %s 1 \"\" \"Gossamer %s\"\n.SH NAME\n%s \\- %s\n", strings.ToUpper(roff(name)), gossamer.Version, roff(name), roff(short))
}

func programPage(w io.Writer) {
	pageHead(w, "gossamer", "run gpt-oss models on WebGPU")
	fmt.Fprint(w, ".SH SYNOPSIS\n.B gossamer\n.I COMMAND\n[flags]\n.SH DESCRIPTION\n"+
		"On a desktop, without a command, it opens the chat page in the browser. Every command has a page of its own, as\n"+
		".BR gossamer\\-chat (1).\n.SH COMMANDS\n")
	for _, c := range commands() {
		fmt.Fprintf(w, ".TP\n.B %s\n%s\n", c.name, roff(c.short))
	}
}

func (c command) page(w io.Writer) {
	pageHead(w, "gossamer-"+c.name, c.short)
	fmt.Fprintf(w, ".SH SYNOPSIS\n.B gossamer %s\n[flags] %s\n", c.name, roff(c.args))
	if c.long != "" {
		// Lines are kept, since tables and examples are among them.
		fmt.Fprintf(w, ".SH DESCRIPTION\n.nf\n%s\n.fi\n", roff(strings.TrimSpace(c.long)))
	}
	fmt.Fprint(w, ".SH FLAGS\nThe environment variable stands for a flag that is left out.\n")
	c.flags().VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if value != "" {
			value = " " + value
		}
		fmt.Fprintf(w, ".TP\n.BR %s , \" %s\"\n%s\n", roff("--"+f.Name)+strings.ReplaceAll(roff(value), " ", `\ `), variable(f.Name), roff(usage))
	})
	fmt.Fprint(w, ".SH SEE ALSO\n.BR gossamer (1)\n")
}

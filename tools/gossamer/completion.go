package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
)

// completionCommand is for packages, which install what it writes.
func completionCommand() command {
	return command{
		name:  "completion",
		args:  "bash|zsh|fish",
		short: "write the completion of this command for a shell",
		long:  "For one session: source <(gossamer completion bash).",
		setup: func(*flag.FlagSet) func(context.Context, *env, []string) error {
			return func(_ context.Context, env *env, args []string) error {
				if len(args) != 1 {
					return usagef("for which shell: bash, zsh or fish?")
				}
				switch args[0] {
				case "bash":
					bashCompletion(env.stdout)
				case "zsh":
					zshCompletion(env.stdout)
				case "fish":
					fishCompletion(env.stdout)
				default:
					return usagef("there is no completion for %q, only for bash, zsh and fish", args[0])
				}
				return nil
			}
		},
	}
}

// flags declares a command's flags.
func (c command) flags() *flag.FlagSet {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.setup(fs)
	return fs
}

// isSwitch reports whether a flag stands alone, without a value.
func isSwitch(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// bashCompletion leaves all that is no command and no flag to bash, which completes names of files.
func bashCompletion(w io.Writer) {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	fmt.Fprintf(w, `_gossamer() {
  local word=${COMP_WORDS[COMP_CWORD]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "%s help" -- "$word"))
    return
  fi
  [[ $word == -* ]] || return 0
  case ${COMP_WORDS[1]} in
`, strings.Join(names, " "))
	for _, c := range commands() {
		var flags []string
		c.flags().VisitAll(func(f *flag.Flag) { flags = append(flags, "--"+f.Name) })
		fmt.Fprintf(w, "    %s) words=\"%s\" ;;\n", c.name, strings.Join(append(flags, "--help"), " "))
	}
	fmt.Fprint(w, `  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _gossamer gossamer
`)
}

func zshCompletion(w io.Writer) {
	// What _arguments and _describe would read as their own syntax.
	escape := strings.NewReplacer(`'`, `'\''`, `\`, `\\`, `[`, `\[`, `]`, `\]`, `:`, `\:`)
	fmt.Fprint(w, "#compdef gossamer\n\n_gossamer() {\n  local -a commands\n  commands=(\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "    '%s:%s'\n", c.name, escape.Replace(c.short))
	}
	fmt.Fprint(w, "  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n  local name=$words[2]\n"+
		"  shift words\n  (( CURRENT-- ))\n  case $name in\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "    %s)\n      _arguments", c.name)
		c.flags().VisitAll(func(f *flag.Flag) {
			value, usage := flag.UnquoteUsage(f)
			if value = ":" + escape.Replace(value) + ":_files"; isSwitch(f) {
				value = ""
			}
			fmt.Fprintf(w, " \\\n        '--%s[%s]%s'", f.Name, escape.Replace(firstSentence(usage)), value)
		})
		fmt.Fprint(w, " \\\n        '--help[describe the command and its flags]' \\\n        '*::argument:_files' ;;\n")
	}
	fmt.Fprint(w, "  esac\n}\n\n"+`if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _gossamer "$@"; else compdef _gossamer gossamer; fi`+"\n")
}

func fishCompletion(w io.Writer) {
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	for _, c := range commands() {
		fmt.Fprintf(w, "complete -c gossamer -n __fish_use_subcommand -f -a %s -d %s\n", c.name, quote(c.short))
		c.flags().VisitAll(func(f *flag.Flag) {
			value := "-r "
			if isSwitch(f) {
				value = ""
			}
			_, usage := flag.UnquoteUsage(f)
			fmt.Fprintf(w, "complete -c gossamer -n '__fish_seen_subcommand_from %s' -l %s %s-d %s\n", c.name, f.Name, value, quote(firstSentence(usage)))
		})
	}
}

// firstSentence is as much of a flag's usage as fits a list.
func firstSentence(usage string) string {
	if i := strings.IndexAny(usage, ";\n"); i >= 0 {
		usage = usage[:i]
	}
	return usage
}

package main

import (
	"context"
	"flag"
)

func runCommand() command {
	return command{
		name:  "run",
		args:  "NAME [PROMPT]",
		short: "talk with a model by its name, and download it first if need be",
		long: modelNames + ` A directory and a file will do too.

gossamer run NAME is gossamer chat --model NAME; gossamer help chat tells what can be said there. A model that is not on this machine is
downloaded as gossamer pull does it, when you agree or say --yes.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			f := &chatFlags{set: fs}
			f.model.declareRunning(fs)
			f.declareRest()
			return func(ctx context.Context, env *env, args []string) error {
				if len(args) == 0 {
					return usagef("which NAME? gpt-oss-20b, for one")
				}
				f.model.model = args[0]
				return f.run(ctx, env, args[1:])
			}
		},
	}
}

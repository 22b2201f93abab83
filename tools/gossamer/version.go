package main

import (
	"context"
	"flag"
	"fmt"
	goruntime "runtime"
	"runtime/debug"

	gossamer "gossamer/runtime"
)

func versionCommand() command {
	return command{
		name:  "version",
		short: "tell the version, the revision and what it was built for",
		setup: func(*flag.FlagSet) func(context.Context, *env, []string) error {
			return func(_ context.Context, env *env, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				fmt.Fprintln(env.stdout, versionLine())
				return nil
			}
		},
	}
}

// versionLine says what program this is: its version, the revision that it was built from where Go recorded one, and for what.
func versionLine() string {
	line := "gossamer " + gossamer.Version
	if info, ok := debug.ReadBuildInfo(); ok {
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if revision := settings["vcs.revision"]; len(revision) >= 12 {
			line += " (" + revision[:12]
			if settings["vcs.modified"] == "true" {
				line += ", modified"
			}
			line += ")"
		}
	}
	return fmt.Sprintf("%s %s %s/%s", line, goruntime.Version(), goruntime.GOOS, goruntime.GOARCH)
}

package main

import (
	"context"
	"flag"
	"fmt"
	"text/tabwriter"
	"time"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/remote"
)

func modelsCommand() command {
	return command{
		name:  "models",
		short: "list and remove models that were downloaded",
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			dir := fs.String("cache-dir", "", "`directory` that keeps them; the user's cache directory if empty")
			remove := fs.String("remove", "", "delete the model of this `URL`, or of the name that a damaged entry is listed by")
			asJSON := fs.Bool("json", false, "print a JSON array")
			return func(ctx context.Context, env *env, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				if *dir == "" {
					var err error
					if *dir, err = remote.DefaultCacheDir(); err != nil {
						return err
					}
				}
				if *remove != "" {
					return remote.RemoveCached(*dir, *remove)
				}
				models, err := remote.ListCache(*dir)
				if err != nil {
					return err
				}
				if *asJSON {
					if models == nil {
						models = []remote.CachedModel{}
					}
					return writeJSON(env.stdout, models)
				}
				if len(models) == 0 {
					fmt.Fprintf(env.stdout, "no models in %s\n", *dir)
					return nil
				}
				w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
				for _, m := range models {
					state := "verified"
					switch {
					case m.Damaged != "":
						state = "damaged: " + checkpoint.Printable(m.Damaged)
					case !m.Verified:
						state = "not verified"
					}
					used := "used " + m.Used.Format(time.DateOnly)
					if m.Used.IsZero() {
						used = ""
					}
					fmt.Fprintf(w, "%s\t%.2f of %.2f GB\t%s\t%s\n", checkpoint.Printable(m.URL), float64(m.Bytes)/1e9, float64(m.TotalBytes)/1e9, state, used)
				}
				return w.Flush()
			}
		},
	}
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/remote"
	"gossamer/runtime/hub"
)

func modelsCommand() command {
	return command{
		name:  "models",
		args:  "[rm NAME ...]",
		short: "list and remove models that were downloaded",
		long: `Lists names, sizes, and what the files were compared with when they were downloaded. Models that Hugging Face's own tools have
downloaded are listed too, and left as they are. gossamer pull NAME goes on with what is incomplete and mends what is damaged.

rm deletes models by their names, or by what a damaged entry is listed by.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			var dir string
			fs.StringVar(&dir, "cache-dir", "", "`directory` that keeps them; GOSSAMER_MODELS or the user's cache directory if empty")
			asJSON := fs.Bool("json", false, "print a JSON array")
			return func(ctx context.Context, env *env, args []string) error {
				remove := len(args) > 0 && args[0] == "rm"
				switch {
				case remove && len(args) == 1:
					return usagef("rm wants a NAME")
				case !remove:
					if err := noArgs(args); err != nil {
						return err
					}
				}
				s, err := openStore(dir, env)
				if err != nil {
					return err
				}
				if remove {
					return s.remove(ctx, args[1:])
				}
				return s.list(*asJSON)
			}
		},
	}
}

// store is all that was downloaded: models of names, and of URLs.
type store struct {
	env *env
	dir string
	hub *hub.Hub
}

func openStore(dir string, env *env) (*store, error) {
	if dir == "" {
		var err error
		if dir, err = remote.DefaultCacheDir(); err != nil {
			return nil, err
		}
	}
	h, err := hub.Open(dir, slog.New(tellHandler{env}))
	return &store{env, dir, h}, err
}

// remove deletes models, until one cannot be.
func (s *store) remove(ctx context.Context, names []string) error {
	for _, name := range names {
		err := s.hub.Remove(ctx, name)
		if errors.Is(err, hub.ErrNotHere) {
			err = s.removeCached(name, err)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(s.env.stderr, "removed %s\n", name)
	}
	return nil
}

// removeCached deletes a model of a URL, for a name that is no other model's.
func (s *store) removeCached(name string, otherwise error) error {
	err := remote.RemoveCached(s.dir, name)
	if err != nil && !strings.Contains(name, "://") {
		return otherwise
	}
	return err
}

// listed is a model as models lists it.
type listed struct {
	hub.Model
	Used time.Time `json:"used,omitzero"` // opened last, of a URL's
}

func (s *store) models() ([]listed, error) {
	all := []listed{}
	models, err := s.hub.List()
	if err != nil {
		return nil, err
	}
	for _, m := range models {
		all = append(all, listed{Model: m})
	}
	cached, err := remote.ListCache(s.dir)
	if err != nil {
		return nil, err
	}
	for _, m := range cached {
		checked := checkedAs(m)
		if m.Damaged != "" {
			checked = ""
		}
		all = append(all, listed{hub.Model{
			Name: m.URL, Path: m.Dir, Bytes: m.Bytes, TotalBytes: m.TotalBytes, Complete: m.Bytes == m.TotalBytes && m.Damaged == "",
			Checked: checked, Damaged: m.Damaged,
		}, m.Used})
	}
	return all, nil
}

// checkedAs says what the chunks of a URL's model are compared with.
func checkedAs(m remote.CachedModel) string {
	if m.Verified {
		return "hashes of its manifest"
	}
	return "no published hash, pinned at first sight"
}

func (s *store) list(asJSON bool) error {
	models, err := s.models()
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(s.env.stdout, models)
	}
	if len(models) == 0 {
		fmt.Fprintf(s.env.stdout, "no models in %s\n", s.dir)
		fmt.Fprintln(s.env.stderr, "gossamer pull gpt-oss-20b downloads one.")
		return nil
	}
	w := tabwriter.NewWriter(s.env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSIZE\tSTATE")
	for _, m := range models {
		fmt.Fprintf(w, "%s\t%s\t%s\n", checkpoint.Printable(m.Name), m.size(), m.state())
	}
	return w.Flush()
}

func (m *listed) size() string {
	if m.Bytes == m.TotalBytes || m.TotalBytes == 0 {
		return byteCount(m.Bytes)
	}
	return byteCount(m.Bytes) + " of " + byteCount(m.TotalBytes)
}

// state says whether a model can be used, and what is known of its bytes.
func (m *listed) state() string {
	switch {
	case m.Damaged != "":
		return "damaged: " + checkpoint.Printable(m.Damaged)
	case m.Foreign:
		return "in the cache of Hugging Face's tools, not checked"
	case !m.Complete && m.Used.IsZero():
		return "incomplete: gossamer pull goes on with it"
	}
	text := "checked: " + m.Checked
	if !m.Used.IsZero() {
		return text + ", used " + m.Used.Format(time.DateOnly)
	}
	return text + ", pulled " + m.Pulled.Local().Format(time.DateOnly)
}

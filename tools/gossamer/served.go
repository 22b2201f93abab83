package main

import (
	"cmp"
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	gossamer "gossamer/runtime"
	"gossamer/runtime/server"
)

// served is a model that serve offers.
type served struct {
	name    string
	aliases []string
	flags   modelFlags
}

// served returns the models of the command line. The first one answers requests that name none.
func (f *serveFlags) served() (models []served, err error) {
	f.model.together(f.parallel)
	f.model.queue, f.model.queueTokens, f.model.model = f.queue, f.queueTokens, defaultModel
	for _, value := range f.models {
		m := served{flags: f.model}
		m.name, m.flags.model = splitModel(value)
		models = append(models, m)
	}
	for _, value := range f.playbacks {
		m := served{flags: f.model}
		m.name, m.flags.playback = splitModel(value)
		models = append(models, m)
	}
	if len(models) == 0 {
		models = []served{{name: defaultModel, flags: f.model}}
	}
	if f.name != "" {
		if len(models) > 1 {
			return nil, usagef("--name is for one model: name each as in --model NAME=DIRECTORY")
		}
		models[0].name = f.name
	}
	for i := range models {
		if err := models[i].flags.check(); err != nil {
			return nil, err
		}
	}
	return models, f.addAliases(models)
}

// splitModel splits NAME=PLACE. Without a name it is the place's last part; a URL may have "=" in itself.
func splitModel(value string) (name, place string) {
	name, place, ok := strings.Cut(value, "=")
	if !ok || strings.Contains(name, "://") {
		place, name = value, ""
	}
	return cmp.Or(name, filepath.Base(strings.TrimRight(place, "/"))), place
}

// addAliases adds the further names of the command line, and those by which clients know the published models.
func (f *serveFlags) addAliases(models []served) error {
	taken := map[string]bool{}
	for i := range models {
		taken[models[i].name] = true
	}
	for _, alias := range f.aliases {
		name, model, named := strings.Cut(alias, "=")
		i := 0
		if named {
			if i = slices.IndexFunc(models, func(m served) bool { return m.name == model }); i < 0 {
				return usagef("--alias %s: there is no model %q", alias, model)
			}
		} else if len(models) > 1 {
			return usagef("--alias %s: say of which model it is a name: %s=MODEL", alias, alias)
		}
		models[i].aliases = append(models[i].aliases, name)
		taken[name] = true
	}
	published := regexp.MustCompile(`^(?:openai/)?gpt-oss[-:](20b|120b)$`)
	for i := range models {
		m := &models[i]
		size := published.FindStringSubmatch(m.name)
		if size == nil {
			continue
		}
		for _, name := range []string{"openai/gpt-oss-" + size[1], "gpt-oss-" + size[1], "gpt-oss:" + size[1]} {
			if !taken[name] {
				m.aliases = append(m.aliases, name)
				taken[name] = true
			}
		}
	}
	return nil
}

// forServer are the models as the server lists them, without engines yet.
func forServer(models []served) (all []server.Model) {
	for _, m := range models {
		all = append(all, server.Model{Name: m.name, Aliases: m.aliases, Created: time.Now()})
	}
	return all
}

// openAll opens the models one after another and gives them to the server. The caller closes the engines, also after an error.
func openAll(ctx context.Context, env *env, models []served, h *server.Handler) (engines []*gossamer.Engine, err error) {
	for i := range models {
		e, err := models[i].flags.open(ctx, env)
		if err != nil {
			return engines, err
		}
		engines = append(engines, e)
		m := server.Model{Name: models[i].name, Engine: e, Context: e.Info().Context, RunsOn: runsOn(e)}
		m.Parameters, m.Bytes = e.Info().Config.Size()
		if played, ok := e.Backend().(interface{ Reset() }); ok {
			m.Reset = played.Reset
		}
		if err := h.Loaded(m); err != nil {
			return engines, err
		}
	}
	return engines, nil
}

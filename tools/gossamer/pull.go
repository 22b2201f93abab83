package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/checkpoint/remote"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/hub"
)

// modelNames is what help texts say about names of models.
const modelNames = `NAME is gpt-oss-20b or gpt-oss-120b (also gpt-oss:20b, openai/gpt-oss-20b), OWNER/REPO of any repository of Hugging Face
with a gpt-oss model (also hf.co/OWNER/REPO and its page's URL; @REVISION behind it chooses a branch or commit, :MXFP4 or :FILE one of
several GGUF files), or the URL of a GGUF file or of a packed model on any host.`

func pullCommand() command {
	return command{
		name:  "pull",
		args:  "NAME",
		short: "download a model by its name, and check it",
		long: modelNames + `

Of a repository only what is needed is downloaded. On a terminal the sizes are told and you are asked first, unless you say --yes; a
model that the disk has no room for is refused, and so is one that this machine has no memory for, unless you say --force. Every file is
compared with the hash that the hub publishes. What is interrupted goes on where it was when you run the same again; pulling a model
that is here brings it up to date.

HF_ENDPOINT names a mirror, HF_TOKEN gives access to private and gated repositories, GOSSAMER_MODELS is the directory that keeps models.
What Hugging Face's own tools have downloaded (HF_HOME, HF_HUB_CACHE) is used where it is. docs/models.md tells more.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			p := &puller{}
			fs.StringVar(&p.cacheDir, "cache-dir", "", "`directory` that keeps models; GOSSAMER_MODELS or the user's cache directory if empty")
			fs.BoolVar(&p.yes, "yes", false, "do not ask")
			fs.BoolVar(&p.force, "force", false, "download also what this machine has no memory for, or Hugging Face's tools have downloaded")
			return func(ctx context.Context, env *env, args []string) error {
				if len(args) != 1 {
					return usagef("want one NAME, got %d arguments", len(args))
				}
				n, err := hub.ParseName(args[0])
				if err != nil {
					return err
				}
				return p.run(ctx, env, n)
			}
		},
	}
}

// puller downloads models.
type puller struct {
	cacheDir   string
	yes, force bool
}

// run downloads a model, or says that it is here.
func (p *puller) run(ctx context.Context, env *env, n hub.Name) error {
	h, err := hub.Open(p.cacheDir, slog.New(tellHandler{env}))
	if err != nil {
		return err
	}
	if n.Packed() {
		return p.packed(ctx, env, h, n)
	}
	if m, err := h.Find(n); err == nil && m.Foreign && !p.force {
		fmt.Fprintf(env.stderr, "%s is in the cache of Hugging Face's tools and is used from there: %s\n", m.Name, m.Path)
		return nil
	}
	bar := newProgress(env.stderr)
	defer bar.clear()
	bar.wait("asking " + h.Host())
	plan, err := h.Plan(ctx, n)
	bar.clear()
	if err != nil {
		return err
	}
	if plan.Complete() {
		fmt.Fprintf(env.stderr, "%s is here already, %s, and %s has nothing newer\n", n, byteCount(plan.Bytes), plan.Host)
		return nil
	}
	if err := p.agree(ctx, env, h, plan); err != nil {
		return err
	}
	if err := plan.Pull(ctx, bar.work); err != nil {
		bar.clear()
		if ctx.Err() != nil {
			fmt.Fprintf(env.stderr, "What has come is kept: gossamer pull %s goes on from there.\n", n)
		}
		return err
	}
	bar.clear()
	fmt.Fprintf(env.stderr, "%s is complete, %s, checked: %s\n", n, byteCount(plan.Bytes), plan.Checked)
	return nil
}

// agree tells what a download takes, refuses what does not fit, and asks.
func (p *puller) agree(ctx context.Context, env *env, h *hub.Hub, plan *hub.Plan) error {
	w := env.stderr
	fmt.Fprintf(w, "%s from %s", plan.Name, plan.Host)
	if len(plan.Revision) > 12 {
		fmt.Fprintf(w, ", revision %s", plan.Revision[:12])
	}
	fmt.Fprintf(w, "\n  download  %s", byteCount(plan.Left))
	if plan.Left < plan.Bytes {
		fmt.Fprintf(w, " of %s, the rest is here", byteCount(plan.Bytes))
	}
	fmt.Fprintf(w, ", %d files, %s\n", len(plan.Files), plan.Checked)
	if !plan.Replaces.IsZero() {
		fmt.Fprintf(w, "  replaces  the one that was pulled on %s\n", plan.Replaces.Local().Format(time.DateOnly))
	}
	fmt.Fprintf(w, "  disk      %s", plan.Dir)
	return p.settle(ctx, env, h, need{plan.Name.String(), plan.Config, plan.Bytes, plan.Left})
}

// need is what a model takes.
type need struct {
	name        string
	config      *gptoss.Config // nil: not known yet
	bytes, left int64          // of all its files, and of what is still to come
}

// settle tells what there is of disk and memory, refuses what does not fit, and asks.
func (p *puller) settle(ctx context.Context, env *env, h *hub.Hub, n need) error {
	if room, known := h.Room(); known {
		fmt.Fprintf(env.stderr, ", %s free", byteCount(room))
	}
	fmt.Fprintln(env.stderr)
	fit, err := fits(ctx, n.config, n.bytes)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stderr, "  memory    %s\n", fit.text)
	if err := h.CheckRoom(n.name, n.left); err != nil {
		return err
	}
	if fit.refused != nil && !p.force {
		return fit.refused
	}
	if p.yes || !interactive(env) {
		return nil
	}
	return ask(ctx, env, "Download it?")
}

// packed downloads a packed model, or a repository of a host without an API, in full.
func (p *puller) packed(ctx context.Context, env *env, h *hub.Hub, n hub.Name) error {
	bar := newProgress(env.stderr)
	defer bar.clear()
	bar.wait("opening " + checkpoint.WithoutLogin(n.URL))
	c, err := detect.Open(ctx, n.URL, detect.Options{CacheDir: p.cacheDir, Logger: slog.New(tellHandler{env})})
	bar.clear()
	if err != nil {
		return err
	}
	m, err := p.cached(n) // opening it has made its folder
	if err != nil {
		return err
	}
	if m.Bytes == m.TotalBytes {
		fmt.Fprintf(env.stderr, "%s is here already, %s\n", n, byteCount(m.TotalBytes))
		return nil
	}
	fmt.Fprintf(env.stderr, "%s\n  download  %s of %s\n  disk      %s", n, byteCount(m.TotalBytes-m.Bytes), byteCount(m.TotalBytes), m.Dir)
	if err := p.settle(ctx, env, h, need{n.String(), c.Config(), m.TotalBytes, m.TotalBytes - m.Bytes}); err != nil {
		return err
	}
	if err := c.Load(ctx, discard{}, bar.work); err != nil {
		return err
	}
	bar.clear()
	fmt.Fprintf(env.stderr, "%s is complete, %s, checked: %s\n", n, byteCount(m.TotalBytes), checkedAs(m))
	return nil
}

// cached is what is here of a packed model.
func (p *puller) cached(n hub.Name) (remote.CachedModel, error) {
	dir := p.cacheDir
	if dir == "" {
		var err error
		if dir, err = remote.DefaultCacheDir(); err != nil {
			return remote.CachedModel{}, err
		}
	}
	models, err := remote.ListCache(dir)
	if err != nil {
		return remote.CachedModel{}, err
	}
	if len(models) == 0 {
		return remote.CachedModel{}, fmt.Errorf("%s cannot be kept: check that %s can be written", n, dir)
	}
	return models[0], nil // the one that was opened last
}

// discard is a checkpoint.Sink for a model that is only to be fetched.
type discard struct{}

func (discard) Put(context.Context, gptoss.TensorSpec, int64, []byte) error { return nil }

// interactive says whether there is somebody to ask.
func interactive(env *env) bool { return isTerminal(env.stdin) && env.stderr.terminal }

// ask wants a yes, which Enter is too.
func ask(ctx context.Context, env *env, question string) error {
	fmt.Fprintf(env.stderr, "%s [Y/n] ", question)
	type reply struct {
		text string
		err  error
	}
	got := make(chan reply, 1)
	go func() { // of a terminal that nobody waits for any more, only the end of the process is the end
		line := make([]byte, 4096) // a terminal hands out a line at a time
		n, err := env.stdin.Read(line)
		got <- reply{string(line[:n]), err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(env.stderr)
		return ctx.Err()
	case r := <-got:
		switch answer := strings.ToLower(strings.TrimSpace(r.text)); {
		case r.err != nil || r.text == "": // Ctrl-D
			fmt.Fprintln(env.stderr)
			return errors.New("nothing was downloaded")
		case answer == "" || answer == "y" || answer == "yes":
			return nil
		}
		return errors.New("nothing was downloaded")
	}
}

// tellHandler tells people in a line each what was got over.
type tellHandler struct{ env *env }

func (tellHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (h tellHandler) Handle(_ context.Context, r slog.Record) error {
	text := "gossamer: " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "url": // the reason says it
		case "wait":
			text += fmt.Sprintf(" (in %s)", a.Value)
		default:
			text += fmt.Sprintf(": %s", a.Value)
		}
		return true
	})
	_, err := fmt.Fprintln(h.env.stderr, text)
	return err
}

func (h tellHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h tellHandler) WithGroup(string) slog.Handler      { return h }

// ensure downloads the model that --model names, if it is not here and the user agrees.
func (m *modelFlags) ensure(ctx context.Context, env *env) error {
	if m.playback != "" || m.model == defaultModel {
		return nil
	}
	if _, err := os.Stat(m.model); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	n, err := hub.ParseName(m.model)
	if err != nil || n.Packed() { // opening it says the former better
		return nil
	}
	h, err := hub.Open(m.cacheDir, newLogger(env.stderr, m.verbose))
	if err != nil {
		return err
	}
	if _, err := h.Find(n); !errors.As(err, new(*hub.NotPulledError)) {
		return err
	} else if !m.yes && !interactive(env) {
		return fmt.Errorf("%w, or give --yes", err)
	}
	return (&puller{cacheDir: m.cacheDir, yes: m.yes}).run(ctx, env, n)
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	gossamer "gossamer/runtime"
	"gossamer/runtime/openai"
	"gossamer/runtime/server"
)

func serveCommand() command {
	return command{
		name:  "serve",
		short: "serve OpenAI's and Anthropic's APIs to other programs",
		long: `Serves OpenAI's and Anthropic's APIs, also for several requests at a time: POST /v1/chat/completions, /v1/responses, /v1/completions,
/v1/messages and /v1/messages/count_tokens, GET /v1/models, POST /tokenize and /detokenize, GET /health, /readyz, /livez and /metrics. The first line on standard output is the URL to
give to clients, once the models are loaded. Ctrl-C lets no more requests in, and ends once the replies that have begun are out, or
--drain-timeout is over; SIGTERM does so after --drain-delay.

Several models are served by --model NAME=PLACE for each. One that is named gpt-oss-20b or gpt-oss-120b has also the names of these on
other servers, such as openai/gpt-oss-20b and gpt-oss:20b.

Only programs on this machine reach it unless --host says otherwise, which wants keys or --no-auth. Pages of other hosts, and names
that lead here without being known, are refused: see --allow-origin and --allow-host. Keys are the lines "NAME KEY" of --api-keys, or
the environment variable GOSSAMER_API_KEY is one. docs/server.md tells more.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			f := &serveFlags{}
			f.declare(fs)
			return f.run
		},
	}
}

// serveFlags are the command line of serve.
type serveFlags struct {
	model                           modelFlags
	models, playbacks               list
	name                            string
	aliases, hosts, origins         list
	host, keys, page                string
	reasoning, preamble, record     string
	port, parallel, perKey          int
	queue, queueTokens              int
	noAuth, strict, metrics, ollama bool
	delay, drain                    time.Duration
}

func (f *serveFlags) declare(fs *flag.FlagSet) {
	f.model.declareRunning(fs)
	fs.String(configFlag, "", "`file` with lines NAME = VALUE for flags that neither the command line nor the environment has")
	fs.Var(&f.models, "model", "`models`, as NAME=PLACE each: a directory with a checkpoint or a packed model, the URL of one, or nano, which is "+
		"built in and served if there are none; without a name it is the end of the place")
	fs.Var(&f.playbacks, "playback", "play the replies of `files` in place of models, as NAME=FILE or FILE each; see gossamer help playback")
	fs.StringVar(&f.record, "record", "", "`file` to be written with the conversations and replies, which --playback plays; it must not exist")
	fs.StringVar(&f.name, "name", "", "the `name` of the model, if there is one only")
	fs.Var(&f.aliases, "alias", "further `names` of models, as NAME=MODEL each, or NAME if there is one model only")
	fs.StringVar(&f.host, "host", "127.0.0.1", "`address` to listen on; 0.0.0.0 for all")
	fs.IntVar(&f.port, "port", 8080, "`number` of the port; 0 takes a free one")
	fs.StringVar(&f.keys, "api-keys", "", "`file` with the keys that clients need")
	fs.BoolVar(&f.noAuth, "no-auth", false, "let everybody in who reaches --host")
	fs.StringVar(&f.page, "page", "", "`directory` with the chat page that is shown at /, in place of the built-in one")
	fs.BoolVar(&f.metrics, "open-metrics", false, "/metrics needs no key")
	fs.Var(&f.hosts, "allow-host", "further `names` by which clients reach the server")
	fs.Var(&f.origins, "allow-origin", "`origins` of pages on other hosts that may use the server")
	fs.BoolVar(&f.strict, "strict-requests", false, "refuse unknown fields of requests instead of leaving them out")
	fs.StringVar(&f.reasoning, "reasoning-field", "reasoning", "`field` of chat completions that has what the model thinks: reasoning, "+
		"reasoning_content or both")
	fs.StringVar(&f.preamble, "preamble", "content", "`field` of chat completions that has what is said before a call: content, or reasoning for "+
		"clients that lose calls beside content")
	fs.BoolVar(&f.ollama, "ollama-discovery", false, "let clients of Ollama find the models: they use OpenAI's API then")
	fs.IntVar(&f.parallel, "parallel", 8, "`replies` of a model that are computed together, 1 to 32; others wait")
	fs.IntVar(&f.queue, "max-queue", 64, "`requests` that may wait for a model; more are told to come back later")
	fs.IntVar(&f.queueTokens, "max-queue-tokens", 0, "`tokens` that the prompts of waiting requests may have together; 0: eight times the context of the model")
	fs.IntVar(&f.perKey, "max-per-key", 0, "`requests` of a key, or of an address without keys, that are answered at a time; 0: any number")
	fs.DurationVar(&f.delay, "drain-delay", 5*time.Second, "`time` after SIGTERM in which requests are still let in, until those who send them know")
	fs.DurationVar(&f.drain, "drain-timeout", 2*time.Minute, "`time` that replies have to end in")
}

// reachable is an address as clients on this machine write it.
func reachable(a net.Addr) string {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil || !at.Addr().IsUnspecified() {
		return a.String()
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
}

// check refuses what is out of range or not safe.
func (f *serveFlags) check(keys []server.Key) error {
	switch {
	case f.port < 0 || f.port > 65535:
		return usagef("--port %d, want 0 to 65535", f.port)
	case f.parallel < 1 || f.parallel > 32:
		return usagef("--parallel %d, want 1 to 32", f.parallel)
	case f.preamble != "content" && f.preamble != "reasoning":
		return usagef("--preamble %q, want content or reasoning", f.preamble)
	case f.queue < 1:
		return usagef("--max-queue %d, want 1 or more", f.queue)
	case f.queueTokens < 0:
		return usagef("--max-queue-tokens %d, want 0 or more", f.queueTokens)
	case f.perKey < 0:
		return usagef("--max-per-key %d, want 0 or more", f.perKey)
	case f.drain < 0 || f.delay < 0:
		return usagef("--drain-delay and --drain-timeout want 0 or more")
	case !slices.Contains([]openai.ReasoningField{openai.Reasoning, openai.ReasoningContent, openai.BothReasoning}, openai.ReasoningField(f.reasoning)):
		return usagef("--reasoning-field %q, want reasoning, reasoning_content or both", f.reasoning)
	}
	ip, err := netip.ParseAddr(f.host)
	if f.host != "localhost" && err != nil {
		return usagef("--host %q, want an address such as 127.0.0.1 or 0.0.0.0", f.host)
	}
	if f.host != "localhost" && !ip.IsLoopback() && len(keys) == 0 && !f.noAuth {
		return usagef("--host %s lets other machines in: give --api-keys or GOSSAMER_API_KEY, or --no-auth if they all may", f.host)
	}
	return nil
}

// readKeys returns the keys of the file or of the environment.
func (f *serveFlags) readKeys(ctx context.Context, env *env) ([]server.Key, error) {
	if f.keys == "" {
		if secret := os.Getenv("GOSSAMER_API_KEY"); secret != "" {
			return []server.Key{{Name: "GOSSAMER_API_KEY", Secret: secret}}, nil
		}
		return nil, nil
	}
	data, err := readNamed(ctx, env, f.keys)
	if err != nil {
		return nil, err
	}
	var keys []server.Key
	n := 0
	for text := range strings.Lines(string(data)) {
		n++
		line := strings.Fields(text)
		switch {
		case len(line) == 0 || strings.HasPrefix(line[0], "#"):
		case len(line) == 2:
			keys = append(keys, server.Key{Name: line[0], Secret: line[1]})
		default:
			return nil, fmt.Errorf("%s: line %d: want a name and a key", f.keys, n)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: there are no keys", f.keys)
	}
	return keys, nil
}

func (f *serveFlags) run(ctx context.Context, env *env, args []string) error {
	if err := noArgs(args); err != nil {
		return err
	}
	keys, err := f.readKeys(ctx, env)
	if err != nil {
		return err
	}
	if err := f.check(keys); err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(f.host, strconv.Itoa(f.port)))
	if err != nil {
		return err
	}
	return f.serveOn(ctx, env, l, keys)
}

// serveOn serves on a listener, which it closes.
func (f *serveFlags) serveOn(ctx context.Context, env *env, l net.Listener, keys []server.Key) error {
	h, models, err := f.handler(env, keys)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return f.serve(ctx, env, l, h, models)
}

// handler is the server of the command line, whose models are still to be loaded.
func (f *serveFlags) handler(env *env, keys []server.Key) (*server.Handler, []served, error) {
	models, err := f.served()
	if err != nil {
		return nil, nil, err
	}
	page, err := openPage(f.page)
	if err != nil {
		return nil, nil, err
	}
	logger := newLogger(env.stderr, f.model.verbose)
	h, err := server.New(server.Options{
		Models: forServer(models), Keys: keys, Hosts: f.hosts, Origins: f.origins,
		StrictRequests: f.strict, ReasoningField: openai.ReasoningField(f.reasoning), PreambleAsReasoning: f.preamble == "reasoning",
		OllamaDiscovery: f.ollama,
		Page:            page, OpenMetrics: f.metrics, MaxPerKey: f.perKey, Logger: logger,
	})
	if err != nil || f.record == "" {
		return h, models, err
	}
	r, err := newRecording(f.record, func(err error) { logger.Warn("nothing more is recorded", "file", f.record, "error", err) })
	if err != nil {
		return nil, nil, err
	}
	for i := range models {
		models[i].flags.record = r.add
	}
	return h, models, nil
}

// serve listens from the beginning, so that whoever asks is told that models are being loaded, and ends when ctx does: after --drain-delay, but
// at once if Ctrl-C asks for it, who knows that the server goes.
func (f *serveFlags) serve(ctx context.Context, env *env, l net.Listener, h *server.Handler, models []served) (err error) {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(serving, l, h, f.drain) }()
	atOnce := make(chan struct{})
	hasten := sync.OnceFunc(func() { close(atOnce) })
	env.whileInterruptible(func() { hasten(); env.end() }, func() {
		var engines []*gossamer.Engine
		engines, err = f.load(ctx, env, "http://"+reachable(l.Addr()), h, models)
		defer func() {
			for _, e := range engines {
				err = errors.Join(err, e.Close())
			}
		}()
		if err != nil {
			stop()
			<-ended
			return
		}
		select {
		case err = <-ended:
			return
		case <-ctx.Done():
		}
		h.Leave()
		select {
		case <-time.After(f.delay):
		case <-atOnce:
		}
		stop()
		err = <-ended
	})
	return err
}

// load opens the models for the server at a URL, and tells of it. The caller closes the engines, also after an error.
func (f *serveFlags) load(ctx context.Context, env *env, url string, h *server.Handler, models []served) ([]*gossamer.Engine, error) {
	fmt.Fprintf(env.stderr, "Listening on %s, ready once the model is loaded.\n", url)
	engines, err := openAll(ctx, env, models, h)
	if err != nil {
		return engines, err
	}
	for i, e := range engines {
		fmt.Fprintf(env.stderr, "%s\nServing %s.\n", describe(e), strings.Join(append([]string{models[i].name}, models[i].aliases...), ", "))
	}
	fmt.Fprintln(env.stderr, "Ctrl-C ends.")
	fmt.Fprintf(env.stdout, "%s/v1\n", url)
	return engines, nil
}

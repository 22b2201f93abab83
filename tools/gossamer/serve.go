package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gossamer/runtime/server"
)

func serveCommand() command {
	return command{
		name:  "serve",
		short: "serve OpenAI's and Anthropic's APIs to other programs",
		long: `Serves OpenAI's chat completions API and Anthropic's Messages API, also for several requests at a time: POST /v1/chat/completions,
/v1/messages and /v1/messages/count_tokens, GET /v1/models, POST /tokenize and /detokenize, GET /health, /readyz and /livez. The first line on standard output is the URL to give to clients. Ctrl-C or
SIGTERM lets no more requests in, and ends once the replies that have begun are out, or --drain-timeout is over.

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
	model                   modelFlags
	name                    string
	aliases, hosts, origins []string
	host, keys              string
	port, parallel, queue   int
	noAuth, strict          bool
	drain                   time.Duration
}

func (f *serveFlags) declare(fs *flag.FlagSet) {
	several := func(to *[]string) func(string) error {
		return func(list string) error {
			*to = append(*to, strings.Split(list, ",")...)
			return nil
		}
	}
	f.model.declare(fs)
	f.model.declarePlayback(fs)
	fs.StringVar(&f.name, "name", "", "the model's `name` for clients; the end of --model if empty")
	fs.Func("alias", "further `names` of the model, comma-separated; may be given several times", several(&f.aliases))
	fs.StringVar(&f.host, "host", "127.0.0.1", "`address` to listen on; 0.0.0.0 for all")
	fs.IntVar(&f.port, "port", 8080, "`number` of the port; 0 takes a free one")
	fs.StringVar(&f.keys, "api-keys", "", "`file` with the keys that clients need")
	fs.BoolVar(&f.noAuth, "no-auth", false, "let everybody in who reaches --host")
	fs.Func("allow-host", "further `names` by which clients reach the server, comma-separated", several(&f.hosts))
	fs.Func("allow-origin", "`origins` of pages on other hosts that may use the server, comma-separated", several(&f.origins))
	fs.BoolVar(&f.strict, "strict-requests", false, "refuse unknown fields of requests instead of leaving them out")
	fs.IntVar(&f.parallel, "parallel", 8, "`replies` that are computed together, 1 to 32; others wait")
	fs.IntVar(&f.queue, "max-queue", 64, "`requests` that may wait; more are told to come back later")
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
	case f.queue < 1:
		return usagef("--max-queue %d, want 1 or more", f.queue)
	case f.drain < 0:
		return usagef("--drain-timeout is below 0")
	}
	ip, err := netip.ParseAddr(f.host)
	if f.host != "localhost" && err != nil {
		return usagef("--host %q, want an address such as 127.0.0.1 or 0.0.0.0", f.host)
	}
	if f.host != "localhost" && !ip.IsLoopback() && len(keys) == 0 && !f.noAuth {
		return usagef("--host %s lets other machines in: give --api-keys or GOSSAMER_API_KEY, or --no-auth if they all may", f.host)
	}
	return f.model.check()
}

// readKeys returns the keys of the file or of the environment.
func (f *serveFlags) readKeys() ([]server.Key, error) {
	if f.keys == "" {
		if secret := os.Getenv("GOSSAMER_API_KEY"); secret != "" {
			return []server.Key{{Name: "GOSSAMER_API_KEY", Secret: secret}}, nil
		}
		return nil, nil
	}
	data, err := os.ReadFile(f.keys)
	if err != nil {
		return nil, err
	}
	var keys []server.Key
	for lines, n := bufio.NewScanner(bytes.NewReader(data)), 1; lines.Scan(); n++ {
		line := strings.Fields(lines.Text())
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
	keys, err := f.readKeys()
	if err != nil {
		return err
	}
	if err := f.check(keys); err != nil {
		return err
	}
	f.model.together(f.parallel)
	f.model.queue = f.queue
	l, err := net.Listen("tcp", net.JoinHostPort(f.host, strconv.Itoa(f.port))) // before the model is loaded, which takes long
	if err != nil {
		return err
	}
	defer l.Close()
	e, err := f.model.open(ctx, env)
	if err != nil {
		return err
	}
	defer e.Close()
	name := cmp.Or(f.name, filepath.Base(strings.TrimRight(cmp.Or(f.model.playback, f.model.model), "/")))
	h, err := server.New(server.Options{
		Models: []server.Model{{Name: name, Aliases: f.aliases, Engine: e, Context: e.Info().Context, Created: time.Now()}},
		Keys:   keys, Hosts: f.hosts, Origins: f.origins, StrictRequests: f.strict, Logger: newLogger(env.stderr, f.model.verbose),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "http://%s/v1\n", reachable(l.Addr()))
	fmt.Fprintf(env.stderr, "%s\nServing %s. Ctrl-C ends.\n", describe(e), strings.Join(append([]string{name}, f.aliases...), ", "))
	err = server.Serve(ctx, l, h, f.drain)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

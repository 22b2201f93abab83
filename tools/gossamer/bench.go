package main

import (
	"context"
	"flag"
	"slices"
	"strconv"
	"strings"
	"time"
)

func benchCommand() command {
	return command{
		name:  "bench",
		short: "measure loading, prefill and decode at several depths",
		long: `Prefill is measured on --prompt tokens and decode on --tokens tokens, each behind every depth of --depths; a first run of each
warms up and is not counted. Decode begins behind the first prompt of --prompt, at the position that is told. With --rows as many texts, which share
what is before, are decoded together, and their tokens count together. Depths that are given twice are measured twice, so that one sees whether the
machine is still what it was; clocks and power of the GPU are asked of nvidia-smi, where it is, before the first depth and behind each.

intervals are the times between two tokens of a text. A run is what is asked of the device at a time: up to eight tokens, then the host waits for
them. of_copy_bandwidth compares the bytes that decode reads with what a plain copy moves on the same device. With --kernels each kernel of decode and
of prefill is measured by itself, a whole step, and so what the host adds to a run (host_us), in which the device has nothing to do.

With --random, weights of a published model's shape are made up, so that a machine can be judged before the model is downloaded.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			var m modelFlags
			m.declare(fs)
			shape := fs.String("random", "", "measure random weights in the shape of this published `model`, gpt-oss-20b or gpt-oss-120b, instead of --model")
			depths := fs.String("depths", "0,1024", "tokens before what is measured, comma-separated `numbers`")
			prompts := fs.String("prompt", "128", "tokens of a measured prefill, comma-separated `numbers`")
			tokens := fs.Int("tokens", 32, "`tokens` of a measured decode")
			rows := fs.String("rows", "1", "texts that are decoded together, comma-separated `numbers`, up to 32")
			kernels := fs.Bool("kernels", false, "measure each kernel of decode and prefill by itself, and what a dispatch costs; on a GPU")
			runs := fs.Int("runs", 3, "measure everything `n` times")
			asJSON := fs.Bool("json", false, "print a JSON object")
			return func(ctx context.Context, env *env, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				if *tokens < 1 || *runs < 1 {
					return usagef("--tokens and --runs want 1 or more")
				}
				at, err := parseCounts("--depths", *depths, 0)
				if err != nil {
					return err
				}
				prompt, err := parseCounts("--prompt", *prompts, 1)
				if err != nil {
					return err
				}
				together, err := parseCounts("--rows", *rows, 1)
				if err != nil {
					return err
				}
				if m.rows = slices.Max(together); m.rows > 32 || m.rows&(m.rows-1) != 0 {
					return usagef("--rows: the largest is %d, want 1, 2, 4, 8, 16 or 32", m.rows)
				}
				m.sequences = m.rows + 1 // with the text that the others begin with
				if err := m.check(); err != nil {
					return err
				}
				if err := m.holds(at, prompt, *tokens, m.rows); err != nil {
					return err
				}
				if err := m.invent(*shape); err != nil {
					return err
				}
				start := time.Now()
				e, err := m.open(ctx, env)
				if err != nil {
					return err
				}
				defer e.Close()
				b := &bencher{ctx: ctx, e: e, runs: *runs, rows: together, prompts: prompt, tokens: *tokens, kernels: *kernels, bar: newProgress(env.stderr)}
				if err := b.run(time.Since(start), at); err != nil {
					return err
				}
				b.bar.clear()
				if *asJSON {
					return writeJSON(env.stdout, b.report)
				}
				b.report.print(env.stdout)
				return nil
			}
		},
	}
}

// invent makes up the weights of a published model's shape; "": those of the model that is named are taken.
func (m *modelFlags) invent(shape string) (err error) {
	if shape == "" {
		return nil
	}
	if m.model != defaultModel {
		return usagef("give either --model or --random")
	}
	m.checkpoint, err = randomModel(shape)
	m.model = "random weights in the shape of " + shape
	return err
}

// holds asks for a context that holds what is measured, if none is asked for and the usual one might not.
func (m *modelFlags) holds(depths, prompts []int, tokens, rows int) error {
	const most, usual = 1 << 24, 8192
	depth, prompt := slices.Max(depths), slices.Max(prompts)
	if prompt > most || tokens > most || depth > most {
		return usagef("--depths, --prompt and --tokens want at most %d", most)
	}
	need := depth + max(prompt, prompts[0]+tokens)
	switch {
	case m.context > 0 && need > m.context:
		return usagef("a depth of %d with a prompt of %d and %d tokens exceeds the context of %d: take less, or a larger --ctx", depth, prompt, tokens, m.context)
	case m.context == 0 && need > usual:
		m.context = need
	}
	if all := need + (rows-1)*(tokens+2*pageTokens); rows > 1 && m.kvTokens == 0 && all > max(m.context, usual) {
		m.kvTokens = all
	}
	return nil
}

// pageTokens bounds what a text takes beside its tokens.
const pageTokens = 128

// parseCounts reads comma-separated numbers.
func parseCounts(name, list string, least int) ([]int, error) {
	var all []int
	for _, f := range strings.Split(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(f))
		if err != nil || n < least {
			return nil, usagef("%s: %q is not a number from %d on", name, f, least)
		}
		all = append(all, n)
	}
	return all, nil
}

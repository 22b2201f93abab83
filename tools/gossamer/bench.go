package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	gossamer "gossamer/runtime"
	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/model"
)

// benchmark is the report of bench. Rates are tokens per second; a speed is the mean of the runs and their standard deviation.
type benchmark struct {
	Model     string         `json:"model"`
	Backend   string         `json:"backend"`
	Adapter   string         `json:"adapter,omitempty"`
	Machine   string         `json:"machine"` // operating system, processor architecture, cores
	Context   int            `json:"context"`
	KV        string         `json:"kv"`
	Load      loadReport     `json:"load"`
	CopyBytes *float64       `json:"copy_bytes_per_second,omitempty"` // read and written by a copy on the same device, counted once
	Memory    *memoryReport  `json:"memory,omitempty"`
	Prefill   []prefillBench `json:"prefill"`
	Decode    []decodeBench  `json:"decode"`
}

type loadReport struct {
	Seconds     float64 `json:"seconds"`
	WeightBytes int64   `json:"weight_bytes"`
	BytesPerSec float64 `json:"bytes_per_second"`
}

type memoryReport struct {
	Weights int64 `json:"weight_bytes"`
	KV      int64 `json:"kv_bytes"`
	Scratch int64 `json:"scratch_bytes"`
}

type speed struct {
	Mean   float64 `json:"mean"`
	StdDev float64 `json:"stddev"`
	Runs   int     `json:"runs"`
}

type prefillBench struct {
	Depth  int   `json:"depth"` // tokens before
	Tokens int   `json:"tokens"`
	Rate   speed `json:"tokens_per_second"`
}

type decodeBench struct {
	Depth       int      `json:"depth"`
	Tokens      int      `json:"tokens"`
	Rate        speed    `json:"tokens_per_second"`
	WeightBytes int64    `json:"weight_bytes_per_token,omitempty"`
	KVBytes     int64    `json:"kv_bytes_per_token,omitempty"`
	Dispatches  int      `json:"dispatches_per_token,omitempty"`
	Submits     float64  `json:"submits_per_token,omitempty"`
	ReadBack    float64  `json:"bytes_read_back_per_token,omitempty"`
	GBPerSecond float64  `json:"gb_per_second,omitempty"` // weights, keys and values read
	OfCopy      *float64 `json:"of_copy_bandwidth,omitempty"`
}

func benchCommand() command {
	return command{
		name:  "bench",
		short: "measure loading, prefill and decode at several depths",
		long: `Prefill is measured on --prompt tokens and decode on --tokens tokens, each behind every depth of --depths; a first run of each
warms up and is not counted. of_copy_bandwidth compares the bytes that decode reads with what a plain copy moves on the same device.

With --random, weights of a published model's shape are made up, so that a machine can be judged before the model is downloaded.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			var m modelFlags
			m.declare(fs)
			shape := fs.String("random", "", "measure random weights in the shape of this published `model`, gpt-oss-20b or gpt-oss-120b, instead of --model")
			depths := fs.String("depths", "0,1024", "tokens before what is measured, comma-separated `numbers`")
			prompt := fs.Int("prompt", 128, "`tokens` of a measured prefill")
			tokens := fs.Int("tokens", 32, "`tokens` of a measured decode")
			runs := fs.Int("runs", 3, "measure everything `n` times")
			asJSON := fs.Bool("json", false, "print a JSON object")
			return func(ctx context.Context, env *env, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				if *prompt < 1 || *tokens < 1 || *runs < 1 {
					return usagef("--prompt, --tokens and --runs want 1 or more")
				}
				at, err := parseDepths(*depths)
				if err != nil {
					return err
				}
				if err := m.check(); err != nil {
					return err
				}
				if err := m.holds(at, *prompt, *tokens); err != nil {
					return err
				}
				if *shape != "" {
					if m.model != defaultModel {
						return usagef("give either --model or --random")
					}
					if m.checkpoint, err = randomModel(*shape); err != nil {
						return err
					}
					m.model = "random weights in the shape of " + *shape
				}
				start := time.Now()
				e, err := m.open(ctx, env)
				if err != nil {
					return err
				}
				defer e.Close()
				b := &bencher{ctx: ctx, e: e, runs: *runs, bar: newProgress(env.stderr)}
				if err := b.run(time.Since(start), at, *prompt, *tokens); err != nil {
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

// holds asks for a context that holds what is measured, if none is asked for and the usual one might not.
func (m *modelFlags) holds(depths []int, prompt, tokens int) error {
	const most, usual = 1 << 24, 8192
	if prompt > most || tokens > most || slices.Max(depths) > most {
		return usagef("--depths, --prompt and --tokens want at most %d", most)
	}
	switch need := slices.Max(depths) + prompt + tokens; {
	case m.context > 0 && need > m.context:
		return usagef("a depth of %d with a prompt of %d and %d tokens exceeds the context of %d: take less, or a larger --ctx", slices.Max(depths), prompt, tokens, m.context)
	case m.context == 0 && need > usual:
		m.context = need
	}
	return nil
}

func parseDepths(list string) ([]int, error) {
	var at []int
	for _, f := range strings.Split(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(f))
		if err != nil || n < 0 {
			return nil, usagef("--depths: %q is not a number of tokens", f)
		}
		at = append(at, n)
	}
	return at, nil
}

// bencher measures an open model.
type bencher struct {
	ctx    context.Context
	e      *gossamer.Engine
	runs   int
	bar    *progress
	report benchmark
}

func (b *bencher) run(load time.Duration, depths []int, prompt, tokens int) error {
	info := b.e.Info()
	r := &b.report
	*r = benchmark{
		Model: info.Model, Backend: string(info.Backend), Adapter: info.Adapter, Context: info.Context, KV: string(info.KV),
		Machine: fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
	}
	for _, t := range info.Config.Tensors() {
		r.Load.WeightBytes += t.Bytes()
	}
	r.Load.Seconds = load.Seconds()
	r.Load.BytesPerSec = float64(r.Load.WeightBytes) / load.Seconds()
	if m, ok := b.e.Backend().(*model.Model); ok {
		footprint := m.Footprint()
		r.Memory = &memoryReport{Weights: footprint.Weights, KV: footprint.KV, Scratch: footprint.Scratch}
		b.bar.show("measuring copies")
		rate, err := m.Device().CopyBandwidth(b.ctx)
		if err != nil {
			return err
		}
		r.CopyBytes = &rate
	}
	for _, depth := range depths {
		if depth+prompt+tokens > info.Context {
			return fmt.Errorf("a depth of %d with a prompt of %d and %d tokens exceeds the context of %d: take less", depth, prompt, tokens, info.Context)
		}
		if err := b.atDepth(depth, prompt, tokens); err != nil {
			return err
		}
	}
	return nil
}

// text returns n ids that are spread over the vocabulary, the same every time.
func (b *bencher) text(first, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((first + i) * 7919 % b.e.Info().Config.Vocab)
	}
	return ids
}

func (b *bencher) atDepth(depth, prompt, tokens int) error {
	made, err := b.e.Backend().NewSequence()
	if err != nil {
		return err
	}
	s := made.(engine.HostSequence)
	defer s.Close()
	if err := s.Extend(b.ctx, b.text(0, depth)); err != nil {
		return err
	}
	if err := s.MarkResume(); err != nil {
		return err
	}
	var prefill, decode []float64
	d := decodeBench{Depth: depth, Tokens: tokens}
	for run := range b.runs + 1 {
		b.bar.show(fmt.Sprintf("depth %d, run %d of %d", depth, run, b.runs))
		if kept, err := s.Truncate(b.ctx, depth); err != nil {
			return err
		} else if kept < depth {
			if err := s.Extend(b.ctx, b.text(kept, depth-kept)); err != nil {
				return err
			}
		}
		if err := b.settle(); err != nil {
			return err
		}
		start := time.Now()
		if err := errors.Join(s.Extend(b.ctx, b.text(depth, prompt)), b.settle()); err != nil {
			return err
		}
		took := time.Since(start)
		before := b.stats()
		start = time.Now()
		if _, err := engine.Greedy(b.ctx, b.e.Backend(), []engine.Sequence{s}, tokens); err != nil {
			return err
		}
		decodeTook := time.Since(start)
		if run == 0 {
			continue // programs were recorded and compiled
		}
		prefill = append(prefill, float64(prompt)/took.Seconds())
		decode = append(decode, float64(tokens)/decodeTook.Seconds())
		after := b.stats()
		d.Submits = float64(after.Submits-before.Submits) / float64(tokens)
		d.ReadBack = float64(after.BytesRead-before.BytesRead) / float64(tokens)
	}
	d.Rate = speedOf(decode)
	if m, ok := b.e.Backend().(*model.Model); ok {
		cost, err := m.DecodeCost(depth + prompt + tokens/2)
		if err != nil {
			return err
		}
		d.WeightBytes, d.KVBytes, d.Dispatches = cost.WeightBytes, cost.KVBytes, cost.Dispatches
		d.GBPerSecond = d.Rate.Mean * float64(cost.WeightBytes+cost.KVBytes) / 1e9
		ratio := d.GBPerSecond * 1e9 / *b.report.CopyBytes
		d.OfCopy = &ratio
	}
	b.report.Prefill = append(b.report.Prefill, prefillBench{Depth: depth, Tokens: prompt, Rate: speedOf(prefill)})
	b.report.Decode = append(b.report.Decode, d)
	return nil
}

// settle waits until the device has done what was submitted, so that a measurement begins and ends with its own work.
func (b *bencher) settle() error {
	if m, ok := b.e.Backend().(*model.Model); ok {
		return m.Device().Wait(b.ctx)
	}
	return nil
}

func (b *bencher) stats() gpu.Stats {
	if m, ok := b.e.Backend().(*model.Model); ok {
		return m.Device().Stats()
	}
	return gpu.Stats{}
}

func speedOf(rates []float64) speed {
	s := speed{Runs: len(rates)}
	for _, r := range rates {
		s.Mean += r / float64(len(rates))
	}
	for _, r := range rates {
		s.StdDev += (r - s.Mean) * (r - s.Mean) / float64(max(len(rates)-1, 1))
	}
	s.StdDev = math.Sqrt(s.StdDev)
	return s
}

func (b *benchmark) print(w io.Writer) {
	on := b.Backend
	if b.Adapter != "" {
		on = b.Adapter
	}
	fmt.Fprintf(w, "%s on %s (%s), context %d, %s keys and values\n", b.Model, on, b.Machine, b.Context, b.KV)
	fmt.Fprintf(w, "loading   %.2f s, %.2f GB/s\n", b.Load.Seconds, b.Load.BytesPerSec/1e9)
	if b.CopyBytes != nil {
		fmt.Fprintf(w, "copying   %.1f GB/s\n", *b.CopyBytes/1e9)
	}
	for _, p := range b.Prefill {
		fmt.Fprintf(w, "prefill   %5d tokens at depth %6d: %8.1f ± %.1f tokens/s\n", p.Tokens, p.Depth, p.Rate.Mean, p.Rate.StdDev)
	}
	for _, d := range b.Decode {
		fmt.Fprintf(w, "decode    %5d tokens at depth %6d: %8.1f ± %.1f tokens/s", d.Tokens, d.Depth, d.Rate.Mean, d.Rate.StdDev)
		if d.Dispatches > 0 {
			fmt.Fprintf(w, ", %d dispatches and %.1f MB a token, %.2f GB/s", d.Dispatches, float64(d.WeightBytes+d.KVBytes)/1e6, d.GBPerSecond)
		}
		if d.OfCopy != nil {
			fmt.Fprintf(w, " (%.0f %% of copying)", *d.OfCopy*100)
		}
		fmt.Fprintln(w)
	}
}

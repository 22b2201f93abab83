package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os/exec"
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
	Latency   *latencyReport `json:"dispatch_latency,omitempty"`
	GPU       []gpuReport    `json:"gpu,omitempty"` // before and after the measurements, where nvidia-smi tells
	Memory    *memoryReport  `json:"memory,omitempty"`
	Prefill   []prefillBench `json:"prefill"`
	Decode    []decodeBench  `json:"decode"`
	Kernels   []kernelsBench `json:"kernels,omitempty"`
}

// latencyReport is what dispatches cost that do nothing, in microseconds.
type latencyReport struct {
	Dependent   float64 `json:"dependent_us"`
	Independent float64 `json:"independent_us"`
	Submit      float64 `json:"submit_us"`
	Record      float64 `json:"record_us"` // recording and submitting 160 dispatches, as a token of 24 layers has
}

// gpuReport is the state of a GPU.
type gpuReport struct {
	SMClock     string `json:"sm_clock_mhz"`
	MemoryClock string `json:"memory_clock_mhz"`
	Power       string `json:"power_watts"`
}

// kernelsBench are the kernels of a decode step, each measured by itself.
type kernelsBench struct {
	Depth   int           `json:"depth"`
	Rows    int           `json:"rows"`
	Kernels []kernelBench `json:"kernels"`
}

type kernelBench struct {
	Name        string  `json:"name"`
	Dispatches  int     `json:"dispatches"`
	Micros      float64 `json:"us"` // of all dispatches together
	Bytes       int64   `json:"bytes,omitempty"`
	GBPerSecond float64 `json:"gb_per_second,omitempty"`
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
	Rows        int      `json:"rows"`              // texts that are decoded together
	Tokens      int      `json:"tokens"`            // of each
	Rate        speed    `json:"tokens_per_second"` // of all
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
warms up and is not counted. With --rows as many texts, which share what is before, are decoded together, and their tokens count together.
of_copy_bandwidth compares the bytes that decode reads with what a plain copy moves on the same device.

With --random, weights of a published model's shape are made up, so that a machine can be judged before the model is downloaded.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			var m modelFlags
			m.declare(fs)
			shape := fs.String("random", "", "measure random weights in the shape of this published `model`, gpt-oss-20b or gpt-oss-120b, instead of --model")
			depths := fs.String("depths", "0,1024", "tokens before what is measured, comma-separated `numbers`")
			prompt := fs.Int("prompt", 128, "`tokens` of a measured prefill")
			tokens := fs.Int("tokens", 32, "`tokens` of a measured decode")
			rows := fs.String("rows", "1", "texts that are decoded together, comma-separated `numbers`, up to 32")
			kernels := fs.Bool("kernels", false, "measure each kernel of a decode step by itself, and what a dispatch costs; on a GPU")
			runs := fs.Int("runs", 3, "measure everything `n` times")
			asJSON := fs.Bool("json", false, "print a JSON object")
			return func(ctx context.Context, env *env, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				if *prompt < 1 || *tokens < 1 || *runs < 1 {
					return usagef("--prompt, --tokens and --runs want 1 or more")
				}
				at, err := parseCounts("--depths", *depths, 0)
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
				if err := m.holds(at, *prompt, *tokens*m.rows); err != nil {
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
				b := &bencher{ctx: ctx, e: e, runs: *runs, rows: together, kernels: *kernels, bar: newProgress(env.stderr)}
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

// bencher measures an open model.
type bencher struct {
	ctx     context.Context
	e       *gossamer.Engine
	runs    int
	rows    []int
	kernels bool
	bar     *progress
	report  benchmark
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
		if b.kernels {
			b.bar.show("measuring dispatches")
			l, err := m.Device().DispatchLatency(b.ctx)
			if err != nil {
				return err
			}
			r.Latency = &latencyReport{micros(l.Dependent), micros(l.Independent), micros(l.Submit), micros(l.Record)}
		}
	} else if b.kernels {
		return errors.New("--kernels is for a GPU, and the CPU computes")
	}
	r.GPU = append(r.GPU, gpuState(b.ctx)...)
	defer func() { r.GPU = append(r.GPU, gpuState(b.ctx)...) }()
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
	var prefill []float64
	decode := make([]decodeBench, len(b.rows))
	rates := make([][]float64, len(b.rows))
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
		if run > 0 { // programs are recorded and compiled by the first
			prefill = append(prefill, float64(prompt)/time.Since(start).Seconds())
		}
		for i, rows := range b.rows {
			d := decodeBench{Depth: depth, Rows: rows, Tokens: tokens}
			took, err := b.decode(s, rows, tokens, &d)
			if err != nil {
				return err
			}
			if decode[i] = d; run > 0 {
				rates[i] = append(rates[i], float64(rows*tokens)/took.Seconds())
			}
		}
	}
	if b.kernels {
		for _, rows := range b.rows {
			if err := b.kernelTimes(s, depth, rows); err != nil {
				return err
			}
		}
	}
	for i := range decode {
		d := &decode[i]
		d.Rate = speedOf(rates[i])
		m, ok := b.e.Backend().(*model.Model)
		if !ok || d.Rows > 1 { // of several rows it is not known how many experts they share
			continue
		}
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
	b.report.Decode = append(b.report.Decode, decode...)
	return nil
}

// kernelTimes measures the kernels of a step of rows texts that go on behind s.
func (b *bencher) kernelTimes(s engine.HostSequence, depth, rows int) error {
	seqs, err := b.forks(s, rows)
	defer closeAll(seqs)
	if err != nil {
		return err
	}
	b.bar.show(fmt.Sprintf("kernels at depth %d, %d rows", depth, rows))
	times, err := b.e.Backend().(*model.Model).KernelTimes(b.ctx, seqs, 200*time.Millisecond)
	if err != nil {
		return err
	}
	k := kernelsBench{Depth: s.Len(), Rows: rows}
	for _, t := range times {
		one := kernelBench{Name: t.Name, Dispatches: t.Dispatches, Micros: micros(t.Time), Bytes: t.Bytes}
		if t.Time > 0 {
			one.GBPerSecond = float64(t.Bytes) / t.Time.Seconds() / 1e9
		}
		k.Kernels = append(k.Kernels, one)
	}
	b.report.Kernels = append(b.report.Kernels, k)
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// gpuState asks nvidia-smi; without it there is nothing.
func gpuState(ctx context.Context) []gpuReport {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=clocks.sm,clocks.mem,power.draw", "--format=csv,noheader,nounits").Output()
	if err != nil {
		return nil
	}
	var all []gpuReport
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(strings.TrimSpace(line), ", "); len(f) == 3 {
			all = append(all, gpuReport{f[0], f[1], f[2]})
		}
	}
	return all
}

// forks are rows texts that have the beginning of s in common, and a row each.
func (b *bencher) forks(s engine.HostSequence, rows int) (seqs []engine.Sequence, err error) {
	length := s.Len()
	for range rows {
		f, err := s.Fork(length - 1)
		if err != nil {
			return seqs, err
		}
		seqs = append(seqs, f)
	}
	return seqs, engine.Give(b.ctx, b.e.Backend(), seqs, b.text(length-1, 1)[0])
}

func closeAll(seqs []engine.Sequence) {
	for _, s := range seqs {
		s.Close()
	}
}

// decode measures how long rows texts that go on behind s take for n tokens each. s stays as it is.
func (b *bencher) decode(s engine.HostSequence, rows, n int, d *decodeBench) (time.Duration, error) {
	seqs, err := b.forks(s, rows)
	defer closeAll(seqs)
	if err != nil {
		return 0, err
	}
	if err := b.settle(); err != nil {
		return 0, err
	}
	before, start := b.stats(), time.Now()
	_, err = engine.Greedy(b.ctx, b.e.Backend(), seqs, n)
	took, after := time.Since(start), b.stats()
	d.Submits = float64(after.Submits-before.Submits) / float64(n)
	d.ReadBack = float64(after.BytesRead-before.BytesRead) / float64(n)
	return took, err
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
		if d.Rows > 1 {
			fmt.Fprintf(w, " of %d texts", d.Rows)
		}
		if d.Dispatches > 0 {
			fmt.Fprintf(w, ", %d dispatches and %.1f MB a token, %.2f GB/s", d.Dispatches, float64(d.WeightBytes+d.KVBytes)/1e6, d.GBPerSecond)
		}
		if d.OfCopy != nil {
			fmt.Fprintf(w, " (%.0f %% of copying)", *d.OfCopy*100)
		}
		fmt.Fprintln(w)
	}
	if l := b.Latency; l != nil {
		fmt.Fprintf(w, "a dispatch costs %.2f us behind another, %.2f us beside it; a submit %.0f us; recording and submitting %d takes %.0f us\n",
			l.Dependent, l.Independent, l.Submit, gpu.RecordedDispatches, l.Record)
	}
	for _, k := range b.Kernels {
		fmt.Fprintf(w, "kernels of a step at position %d, %d texts:\n", k.Depth, k.Rows)
		for _, t := range k.Kernels {
			fmt.Fprintf(w, "  %-18s %4d dispatches %10.1f us", t.Name, t.Dispatches, t.Micros)
			if t.Bytes > 0 {
				fmt.Fprintf(w, " %9.1f MB %8.1f GB/s", float64(t.Bytes)/1e6, t.GBPerSecond)
			}
			fmt.Fprintln(w)
		}
	}
	for _, g := range b.GPU {
		fmt.Fprintf(w, "GPU at %s MHz, memory %s MHz, %s W\n", g.SMClock, g.MemoryClock, g.Power)
	}
}

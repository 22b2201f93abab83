package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"

	gossamer "gossamer/runtime"
	"gossamer/runtime/engine"
	"gossamer/runtime/gpu"
	"gossamer/runtime/model"
)

// bencher measures an open model.
type bencher struct {
	ctx     context.Context
	e       *gossamer.Engine
	runs    int
	rows    []int
	prompts []int
	tokens  int
	kernels bool
	bar     *progress
	report  benchmark
}

// perKernel is how long a kernel is measured.
const perKernel = 200 * time.Millisecond

func (b *bencher) run(load time.Duration, depths []int) error {
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
	if b.model() == nil && b.kernels {
		return errors.New("--kernels is for a GPU, and the CPU computes")
	}
	if err := b.device(); err != nil {
		return err
	}
	b.gpuState("before")
	for _, depth := range depths {
		if need := depth + b.prompts[0] + b.tokens; need > info.Context {
			return fmt.Errorf("a depth of %d with a prompt of %d and %d tokens exceeds the context of %d: take less", depth, b.prompts[0], b.tokens, info.Context)
		}
		if err := b.atDepth(depth); err != nil {
			return err
		}
		b.gpuState(fmt.Sprintf("behind depth %d", depth))
	}
	return nil
}

// model is what computes on a GPU; nil: the CPU does.
func (b *bencher) model() *model.Model {
	m, _ := b.e.Backend().(*model.Model)
	return m
}

// device measures the GPU itself.
func (b *bencher) device() error {
	m, r := b.model(), &b.report
	if m == nil {
		return nil
	}
	footprint := m.Footprint()
	r.Memory = &memoryReport{Weights: footprint.Weights, KV: footprint.KV, Scratch: footprint.Scratch}
	b.bar.show("measuring copies")
	rate, err := m.Device().Bandwidth(b.ctx)
	if err != nil {
		return err
	}
	r.CopyBytes, r.ReadBytes = &rate.Copy, &rate.Read
	if !b.kernels {
		return nil
	}
	b.bar.show("measuring dispatches")
	l, err := m.Device().DispatchLatency(b.ctx)
	if err != nil {
		return err
	}
	r.Latency = &latencyReport{micros(l.Empty), micros(l.Dependent), micros(l.Independent), micros(l.Submit), micros(l.Record)}
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

func (b *bencher) atDepth(depth int) error {
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
	prefill := make([]prefillBench, len(b.prompts))
	decode := make([]decodeBench, len(b.rows))
	rates, times := make([][]float64, len(b.prompts)), make([]runTimes, len(b.rows))
	for run := range b.runs + 1 {
		b.bar.show(fmt.Sprintf("depth %d, run %d of %d", depth, run, b.runs))
		for i := len(b.prompts) - 1; i >= 0; i-- { // the first one last: decode goes on behind it
			took, err := b.prefill(s, depth, b.prompts[i])
			if err != nil {
				return err
			}
			if run > 0 { // programs are recorded and compiled by the first
				rates[i] = append(rates[i], float64(b.prompts[i])/took.Seconds())
			}
		}
		for i, rows := range b.rows {
			if run == 1 {
				times[i] = runTimes{}
			}
			decode[i] = decodeBench{Depth: depth, Position: s.Len(), Rows: rows, Tokens: b.tokens}
			if err := b.decode(s, &decode[i], &times[i]); err != nil {
				return err
			}
		}
	}
	for i, n := range b.prompts {
		prefill[i] = prefillBench{Depth: depth, Tokens: n, Rate: speedOf(rates[i])}
	}
	for i := range decode {
		if err := b.finish(s, &decode[i], &times[i]); err != nil {
			return err
		}
	}
	b.report.Prefill, b.report.Decode = append(b.report.Prefill, prefill...), append(b.report.Decode, decode...)
	if !b.kernels {
		return nil
	}
	return b.prefillKernels(s, depth)
}

// back leaves the first depth tokens of s.
func (b *bencher) back(s engine.HostSequence, depth int) error {
	kept, err := s.Truncate(b.ctx, depth)
	if err == nil && kept < depth {
		err = s.Extend(b.ctx, b.text(kept, depth-kept))
	}
	return errors.Join(err, b.settle())
}

// prefill measures a prompt of n tokens behind the first depth ones of s.
func (b *bencher) prefill(s engine.HostSequence, depth, n int) (time.Duration, error) {
	if err := b.back(s, depth); err != nil {
		return 0, err
	}
	start := time.Now()
	err := errors.Join(s.Extend(b.ctx, b.text(depth, n)), b.settle())
	return time.Since(start), err
}

// finish adds to a report of decode what follows from its runs, and with --kernels what each kernel takes.
func (b *bencher) finish(s engine.HostSequence, d *decodeBench, t *runTimes) error {
	d.Rate, d.Intervals, d.Run = speedOf(t.rates), t.intervals(), t.run()
	m := b.model()
	if m == nil {
		return nil
	}
	if b.kernels {
		whole, err := b.kernelTimes(s, d)
		if err != nil {
			return err
		}
		host := d.Run.Micros - d.Run.Draws*whole
		d.Run.Host = &host
	}
	if d.Rows > 1 { // of several rows it is not known how many experts they share
		return nil
	}
	cost, err := m.DecodeCost(d.Position + d.Tokens/2)
	if err != nil {
		return err
	}
	d.WeightBytes, d.KVBytes, d.Dispatches = cost.WeightBytes, cost.KVBytes, cost.Dispatches
	d.GBPerSecond = d.Rate.Mean * float64(cost.WeightBytes+cost.KVBytes) / 1e9
	ratio := d.GBPerSecond * 1e9 / *b.report.CopyBytes
	d.OfCopy = &ratio
	return nil
}

// kernelTimes measures the kernels of a step of texts that go on behind s. It returns what a whole step takes the device, in microseconds.
func (b *bencher) kernelTimes(s engine.HostSequence, d *decodeBench) (whole float64, err error) {
	seqs, err := b.forks(s, d.Rows)
	defer closeAll(seqs)
	if err != nil {
		return 0, err
	}
	b.bar.show(fmt.Sprintf("kernels at depth %d, %d rows", d.Depth, d.Rows))
	times, err := b.model().KernelTimes(b.ctx, seqs, perKernel)
	if err != nil {
		return 0, err
	}
	whole = micros(times.Whole)
	b.report.Kernels = append(b.report.Kernels, kernelsBench{Position: d.Position, Rows: d.Rows, Micros: whole, Kernels: kernelReports(times.Kernels)})
	return whole, nil
}

// prefillKernels measures the kernels of the chunks that prompts behind the first depth tokens of s are made of.
func (b *bencher) prefillKernels(s engine.HostSequence, depth int) error {
	if err := b.back(s, depth); err != nil {
		return err
	}
	measured := map[int]bool{}
	for _, prompt := range b.prompts {
		n := min(prompt, b.model().ChunkTokens())
		if measured[n] {
			continue
		}
		measured[n] = true
		b.bar.show(fmt.Sprintf("kernels of prefill at depth %d, %d tokens", depth, n))
		times, err := b.model().PrefillTimes(b.ctx, s, n, perKernel)
		if err != nil {
			return err
		}
		k := kernelsBench{Position: s.Len(), Prefill: n, Kernels: kernelReports(times)}
		for _, one := range k.Kernels {
			k.Micros += one.Micros
		}
		b.report.Kernels = append(b.report.Kernels, k)
	}
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// gpuState notes what nvidia-smi says; without it there is nothing.
func (b *bencher) gpuState(when string) {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=clocks.sm,clocks.mem,power.draw", "--format=csv,noheader,nounits").Output()
	if err != nil {
		return
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(strings.TrimSpace(line), ", "); len(f) == 3 {
			b.report.GPU = append(b.report.GPU, gpuReport{when, f[0], f[1], f[2]})
		}
	}
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

// decode measures how long texts that go on behind s take for their tokens. s stays as it is.
func (b *bencher) decode(s engine.HostSequence, d *decodeBench, t *runTimes) error {
	seqs, err := b.forks(s, d.Rows)
	defer closeAll(seqs)
	if err != nil {
		return err
	}
	if err := b.settle(); err != nil {
		return err
	}
	before, start := b.stats(), time.Now()
	t.last = start
	_, err = engine.Greedy(b.ctx, &clocked{b.e.Backend(), t}, seqs, d.Tokens)
	err = errors.Join(err, b.settle()) // tokens are known before the logits behind the last of them
	t.rates = append(t.rates, float64(d.Rows*d.Tokens)/time.Since(start).Seconds())
	after := b.stats()
	d.Submits = float64(after.Submits-before.Submits) / float64(d.Tokens)
	d.ReadBack = float64(after.BytesRead-before.BytesRead) / float64(d.Tokens)
	return err
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

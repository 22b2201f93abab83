package main

import (
	"fmt"
	"io"
	"math"

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
	CopyBytes *float64       `json:"copy_bytes_per_second,omitempty"` // read and written by a copy on the same device
	ReadBytes *float64       `json:"read_bytes_per_second,omitempty"` // without writing
	Latency   *latencyReport `json:"dispatch_latency,omitempty"`
	GPU       []gpuReport    `json:"gpu,omitempty"` // where nvidia-smi tells
	Memory    *memoryReport  `json:"memory,omitempty"`
	Prefill   []prefillBench `json:"prefill"`
	Decode    []decodeBench  `json:"decode"`
	Kernels   []kernelsBench `json:"kernels,omitempty"`
}

// latencyReport is what dispatches cost that do nothing, in microseconds.
type latencyReport struct {
	Empty       float64 `json:"empty_us"`
	Dependent   float64 `json:"dependent_us"`
	Independent float64 `json:"independent_us"`
	Submit      float64 `json:"submit_us"`
	Record      float64 `json:"record_us"` // recording and submitting 160 dispatches, as a token of 24 layers has
}

// gpuReport is the state of a GPU.
type gpuReport struct {
	When        string `json:"when"`
	SMClock     string `json:"sm_clock_mhz"`
	MemoryClock string `json:"memory_clock_mhz"`
	Power       string `json:"power_watts"`
}

// kernelsBench are the kernels of a step of decode, or of a chunk of prefill, each measured by itself.
type kernelsBench struct {
	Position int           `json:"position"` // of the next token
	Rows     int           `json:"rows,omitempty"`
	Prefill  int           `json:"prefill_tokens,omitempty"`
	Micros   float64       `json:"us"` // of a whole step, or of all kernels of a chunk
	Kernels  []kernelBench `json:"kernels"`
}

type kernelBench struct {
	Name        string  `json:"name"`
	Dispatches  int     `json:"dispatches"`
	Micros      float64 `json:"us"` // of all dispatches together
	Bytes       int64   `json:"bytes,omitempty"`
	GBPerSecond float64 `json:"gb_per_second,omitempty"`
	TFLOPS      float64 `json:"tflops,omitempty"`
}

func kernelReports(times []model.KernelTime) (all []kernelBench) {
	for _, t := range times {
		one := kernelBench{Name: t.Name, Dispatches: t.Dispatches, Micros: micros(t.Time), Bytes: t.Bytes}
		if t.Time > 0 {
			one.GBPerSecond, one.TFLOPS = float64(t.Bytes)/t.Time.Seconds()/1e9, float64(t.FLOPs)/t.Time.Seconds()/1e12
		}
		all = append(all, one)
	}
	return all
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
	Depth       int            `json:"depth"`             // tokens before the prompt
	Position    int            `json:"position"`          // of the first token
	Rows        int            `json:"rows"`              // texts that are decoded together
	Tokens      int            `json:"tokens"`            // of each
	Rate        speed          `json:"tokens_per_second"` // of all
	Intervals   intervalReport `json:"intervals"`
	Run         runReport      `json:"run"`
	WeightBytes int64          `json:"weight_bytes_per_token,omitempty"`
	KVBytes     int64          `json:"kv_bytes_per_token,omitempty"`
	Dispatches  int            `json:"dispatches_per_token,omitempty"`
	Submits     float64        `json:"submits_per_token,omitempty"`
	ReadBack    float64        `json:"bytes_read_back_per_token,omitempty"`
	GBPerSecond float64        `json:"gb_per_second,omitempty"` // weights, keys and values read
	OfCopy      *float64       `json:"of_copy_bandwidth,omitempty"`
}

// intervalReport are times between two tokens of a text, in microseconds.
type intervalReport struct {
	P50 float64 `json:"p50_us"`
	P99 float64 `json:"p99_us"`
}

// runReport is what a run takes on average: the tokens of a text that are asked of the device at a time.
type runReport struct {
	Draws  float64  `json:"tokens"`
	Micros float64  `json:"us"`
	Submit float64  `json:"submit_us"`         // until it is queued
	Wait   float64  `json:"wait_us"`           // for the tokens
	Host   *float64 `json:"host_us,omitempty"` // beyond what the device takes for its steps
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
		fmt.Fprintf(w, "copying   %.1f GB/s, reading %.1f GB/s\n", *b.CopyBytes/1e9, *b.ReadBytes/1e9)
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
		r := d.Run
		fmt.Fprintf(w, "          from position %d, %.0f us a token (p50), %.0f (p99); a run of %.1f tokens takes %.0f us, %.0f to queue it, %.0f to wait",
			d.Position, d.Intervals.P50, d.Intervals.P99, r.Draws, r.Micros, r.Submit, r.Wait)
		if r.Host != nil {
			fmt.Fprintf(w, ", %.0f beyond the device's work", *r.Host)
		}
		fmt.Fprintln(w)
	}
	if l := b.Latency; l != nil {
		fmt.Fprintf(w, "a dispatch costs %.2f us if it is empty, %.2f us behind another, %.2f us beside it; a submit %.0f us; recording and submitting %d takes %.0f us\n",
			l.Empty, l.Dependent, l.Independent, l.Submit, gpu.RecordedDispatches, l.Record)
	}
	for _, k := range b.Kernels {
		k.print(w)
	}
	for _, g := range b.GPU {
		fmt.Fprintf(w, "GPU %s: %s MHz, memory %s MHz, %s W\n", g.When, g.SMClock, g.MemoryClock, g.Power)
	}
}

func (k *kernelsBench) print(w io.Writer) {
	if k.Prefill > 0 {
		fmt.Fprintf(w, "kernels of prefill of %d tokens at position %d, %.1f us:\n", k.Prefill, k.Position, k.Micros)
	} else {
		fmt.Fprintf(w, "kernels of a step at position %d, %d texts, %.1f us:\n", k.Position, k.Rows, k.Micros)
	}
	for _, t := range k.Kernels {
		fmt.Fprintf(w, "  %-19s %4d dispatches %10.1f us", t.Name, t.Dispatches, t.Micros)
		if t.Bytes > 0 {
			fmt.Fprintf(w, " %9.1f MB %8.1f GB/s", float64(t.Bytes)/1e6, t.GBPerSecond)
		}
		if t.TFLOPS > 0 {
			fmt.Fprintf(w, " %8.3f TFLOPS", t.TFLOPS)
		}
		fmt.Fprintln(w)
	}
}

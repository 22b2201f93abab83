package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	gossamer "gossamer/runtime"
	"gossamer/runtime/gpu"
	"gossamer/runtime/hub"
	"gossamer/runtime/ref"
	"gossamer/runtime/selftest"
)

// diagnosis is the report of doctor.
type diagnosis struct {
	Program  string           `json:"program"` // its version
	System   string           `json:"system"`
	Libc     string           `json:"libc,omitempty"` // of Linux
	Cores    int              `json:"cores"`
	Kept     *modelDirectory  `json:"models_kept,omitempty"`     // where models are kept
	Unkept   string           `json:"models_not_kept,omitempty"` // why they are kept nowhere
	Library  string           `json:"library,omitempty"`         // that implements WebGPU
	Adapters []adapterReport  `json:"adapters"`
	Error    string           `json:"error,omitempty"` // why there are none
	Healthy  bool             `json:"healthy"`         // some adapter passes the self-test
	Chosen   choice           `json:"chosen"`
	Memory   *freeMemory      `json:"memory,omitempty"` // for models on the CPU, where it is known
	Models   []modelFootprint `json:"models"`
}

// modelDirectory is where downloaded models are.
type modelDirectory struct {
	Dir  string `json:"directory"`
	Free int64  `json:"free_bytes,omitempty"` // 0: not known
}

// freeMemory is how much a model on the CPU can take.
type freeMemory struct {
	Bytes int64  `json:"free_bytes"`
	Of    string `json:"of"`
}

// choice is what computes where no flag says otherwise.
type choice struct {
	Backend string `json:"backend"`
	Adapter string `json:"adapter,omitempty"`
	Reason  string `json:"reason"`
}

type adapterReport struct {
	Index    int       `json:"index"`
	Name     string    `json:"name"`
	Type     string    `json:"type"`
	Software bool      `json:"software,omitempty"` // it computes on the CPU, and is not chosen by itself
	Backend  string    `json:"backend"`
	Driver   string    `json:"driver"`
	Error    string    `json:"error,omitempty"`
	Limits   *limits   `json:"limits,omitempty"`
	Features []string  `json:"features"`
	SelfTest *selfTest `json:"self_test,omitempty"`
}

type limits struct {
	Binding        int64 `json:"storage_binding_bytes"`
	Buffer         int64 `json:"buffer_bytes"`
	StorageBuffers int   `json:"storage_buffers_per_shader"`
	WorkgroupBytes int   `json:"workgroup_memory_bytes"`
	Invocations    int   `json:"invocations_per_workgroup"`
	Workgroups     int   `json:"workgroups_per_dimension"`
}

// selfTest is what the adapter made of package selftest.
type selfTest struct {
	Passed     bool    `json:"passed"`
	RMSOverStd float64 `json:"rms_over_std"` // of the difference from the CPU's logits, over their standard deviation
	Limit      float64 `json:"limit"`
	Tokens     int     `json:"tokens"`
	Error      string  `json:"error,omitempty"`
}

func doctorCommand() command {
	return command{
		name:  "doctor",
		short: "list GPUs, their limits, and whether kernels compute rightly on them",
		long: `The self-test runs a tiny model on each adapter and compares the logits with the CPU's. It is also told what computes where no
flag says otherwise: the most capable GPU, or the CPU, also where adapters would only compute on the CPU themselves.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			asJSON := fs.Bool("json", false, "print a JSON object")
			return func(ctx context.Context, env *env, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				quietDrivers()
				d, err := diagnose(ctx)
				if err != nil {
					return err
				}
				if *asJSON {
					err = writeJSON(env.stdout, d)
				} else {
					d.print(env.stdout)
				}
				if err == nil && !d.Healthy {
					err = errors.New("no adapter is fit for use: gossamer runs on the CPU here")
				}
				return err
			}
		},
	}
}

func diagnose(ctx context.Context) (*diagnosis, error) {
	d := &diagnosis{Program: versionLine(), System: systemName(), Libc: libc(ctx), Cores: runtime.NumCPU(), Library: gpu.Library(), Adapters: []adapterReport{}}
	if h, err := hub.Open("", slog.New(slog.DiscardHandler)); err == nil {
		free, _ := h.Room()
		d.Kept = &modelDirectory{h.Dir(), free}
	} else {
		d.Unkept = err.Error()
	}
	var err error
	if d.Models, err = publishedFootprints(); err != nil {
		return nil, err
	}
	if d.Chosen, err = chosen(ctx); err != nil {
		return nil, err
	}
	if free, known := ref.FreeMemory(); known {
		d.Memory = &freeMemory{free.Bytes, free.Of}
	}
	infos, err := gpu.Adapters(ctx)
	switch {
	case errors.Is(err, gpu.ErrNoAdapter):
		d.Error = err.Error()
		return d, nil
	case err != nil:
		return nil, err
	}
	if len(infos) == 0 {
		d.Error = "no WebGPU adapter: install a Vulkan driver (Debian: mesa-vulkan-drivers)"
	}
	for _, info := range infos {
		r, err := examine(ctx, info)
		if err != nil {
			return nil, err
		}
		d.Healthy = d.Healthy || r.SelfTest != nil && r.SelfTest.Passed
		d.Adapters = append(d.Adapters, r)
	}
	return d, nil
}

// chosen finds out what the engine would choose. Only an interruption is an error.
func chosen(ctx context.Context) (choice, error) {
	dev, err := gpu.Open(ctx, gpu.Options{NoSoftware: true})
	if err != nil {
		return choice{Backend: string(gossamer.CPU), Reason: err.Error()}, ctx.Err()
	}
	defer dev.Close()
	return choice{string(gossamer.WebGPU), dev.Caps().Adapter.Name, "the most capable adapter"}, nil
}

// examine opens one adapter. Its troubles are part of the report; only an interruption is an error.
func examine(ctx context.Context, info gpu.AdapterInfo) (adapterReport, error) {
	r := adapterReport{Index: info.Index, Name: info.Name, Type: info.Type, Software: info.CPU(), Backend: info.Backend, Driver: info.Driver, Features: []string{}}
	dev, err := gpu.Open(ctx, gpu.Options{Adapter: fmt.Sprint(info.Index)})
	if err != nil {
		r.Error = err.Error()
		return r, ctx.Err()
	}
	defer dev.Close()
	caps := dev.Caps()
	r.Limits = &limits{
		Binding: caps.MaxBindingBytes, Buffer: caps.MaxBufferBytes, StorageBuffers: caps.MaxStorageBuffers,
		WorkgroupBytes: caps.MaxWorkgroupBytes, Invocations: caps.MaxInvocations, Workgroups: caps.MaxWorkgroupsPerDim,
	}
	if caps.Variant.Subgroups {
		r.Features = append(r.Features, "subgroups")
	}
	if caps.Variant.F16 {
		r.Features = append(r.Features, "shader-f16")
	}
	if m := caps.Variant.Matrix; m.M > 0 {
		r.Features = append(r.Features, fmt.Sprintf("matrices %dx%dx%d", m.M, m.N, m.K))
	}
	r.SelfTest = &selfTest{Limit: selftest.Limit}
	result, err := selftest.Run(ctx, dev)
	if err != nil {
		r.SelfTest.Error = err.Error()
		return r, ctx.Err()
	}
	r.SelfTest.Passed, r.SelfTest.Tokens, r.SelfTest.Error = result.Passed(), result.Tokens, result.Reason()
	if !math.IsNaN(result.Deviation) { // JSON has no NaN; the reason tells
		r.SelfTest.RMSOverStd = result.Deviation
	}
	return r, nil
}

// systemName is what the operating system calls itself.
func systemName() string {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return runtime.GOOS
	}
	for line := range strings.Lines(string(release)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"'`)
		}
	}
	return runtime.GOOS
}

// libc is the C library of a Linux system and its version, which tells what programs it can start; empty where it is not known.
func libc(ctx context.Context) string {
	if runtime.GOOS != "linux" {
		return ""
	}
	if name, err := exec.CommandContext(ctx, "getconf", "GNU_LIBC_VERSION").Output(); err == nil {
		return strings.TrimSpace(string(name))
	}
	if found, _ := filepath.Glob("/lib/ld-musl-*.so.1"); len(found) > 0 {
		return "musl"
	}
	return ""
}

func (d *diagnosis) print(w io.Writer) {
	system := d.System
	if d.Libc != "" {
		system += ", " + d.Libc
	}
	fmt.Fprintf(w, "%s, %s, %d processors\n", d.Program, system, d.Cores)
	if d.Library != "" {
		fmt.Fprintf(w, "WebGPU by %s\n", d.Library)
	}
	for _, a := range d.Adapters {
		fmt.Fprintf(w, "adapter %d: %s (%s, %s, driver %s)\n", a.Index, a.Name, a.Type, a.Backend, a.Driver)
		if a.Software {
			fmt.Fprintln(w, "  software: it computes on the CPU, more slowly than gossamer does itself, and is taken with --backend webgpu only")
		}
		if a.Error != "" {
			fmt.Fprintf(w, "  cannot be opened: %s\n", a.Error)
			continue
		}
		l := a.Limits
		fmt.Fprintf(w, "  bindings of %d MiB, buffers of %d MiB, %d storage buffers a shader, %d KiB workgroup memory, %d invocations\n",
			l.Binding>>20, l.Buffer>>20, l.StorageBuffers, l.WorkgroupBytes>>10, l.Invocations)
		fmt.Fprintf(w, "  features: %v\n", a.Features)
		switch t := a.SelfTest; {
		case t.Passed:
			fmt.Fprintf(w, "  self-test passed: logits differ from the CPU's by %.1e of their spread\n", t.RMSOverStd)
		default:
			fmt.Fprintf(w, "  self-test FAILED: %s\n", t.Error)
		}
	}
	c := d.Chosen
	switch {
	case c.Adapter != "":
		fmt.Fprintf(w, "chosen without flags: %s, %s\n", c.Adapter, c.Reason)
	default:
		fmt.Fprintf(w, "chosen without flags: the CPU: %s\n", c.Reason)
	}
	if m := d.Memory; m != nil {
		fmt.Fprintf(w, "a model on the CPU can take %.1f GB, what is left %s\n", float64(m.Bytes)/1e9, m.Of)
	}
	if k := d.Kept; k != nil && k.Free > 0 {
		fmt.Fprintf(w, "models are kept in %s, %.1f GB are free there\n", k.Dir, float64(k.Free)/1e9)
	}
	if d.Unkept != "" {
		fmt.Fprintf(w, "models are kept nowhere: %s\n", d.Unkept)
	}
	fmt.Fprintln(w, "memory that the published models take (WebGPU does not tell how much an adapter has):")
	for _, m := range d.Models {
		fmt.Fprintf(w, "  %-12s %5.1f GB weights, %d KiB a token of context: %.1f GB with 8,192 tokens, %.1f GB with 131,072\n",
			m.Model, float64(m.Weights)/1e9, m.PerToken>>10, float64(m.Usual)/1e9, float64(m.Whole)/1e9)
	}
}

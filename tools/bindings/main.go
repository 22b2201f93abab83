// Command bindings compares the two native ways to WebGPU, wgpu-native with cgo and Dawn without, on one driver in one run, and prints JSON:
// the sizes of program and library, the start, what recording costs, and each kernel of a decode step of the built-in model.
//
//	go run ./tools/bindings -dawn build/dawn-native/libdawn.so -exec build/mesa/run >result.json
//
// The rounds alternate, and the least of each figure counts: what else the machine does only adds to it.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// report is what is printed.
type report struct {
	Machine  string    `json:"machine"`
	Adapter  string    `json:"adapter"`
	Rounds   int       `json:"rounds"`
	Bindings []binding `json:"bindings"`
}

// binding is one way, with the least of its figures.
type binding struct {
	Name         string             `json:"name"`
	ProgramBytes int64              `json:"program_bytes"`
	LibraryBytes int64              `json:"library_bytes,omitempty"` // beside the program
	StartSeconds float64            `json:"start_cpu_seconds"`       // processor time of a reply of one token, loading and compiling included
	Latency      latency            `json:"dispatch_latency"`
	Kernels      map[string]float64 `json:"kernels_us"` // all dispatches of a step

	cgo     string
	program string
}

// latency is what gossamer bench tells.
type latency struct {
	Dependent   float64 `json:"dependent_us"`
	Independent float64 `json:"independent_us"`
	Submit      float64 `json:"submit_us"`
	Record      float64 `json:"record_us"`
}

func main() {
	dawn := flag.String("dawn", "build/dawn-native/libdawn.so", "Dawn's `library`")
	through := flag.String("exec", "", "`program` that runs others on a driver, such as build/mesa/run")
	rounds := flag.Int("rounds", 3, "`times` that everything is measured")
	flag.Parse()
	if err := run(*dawn, *through, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bindings:", err)
		os.Exit(1)
	}
}

func run(dawn, through string, rounds int) error {
	library, err := os.Stat(dawn)
	if err != nil {
		return fmt.Errorf("%w: run make setup-dawn", err)
	}
	work, err := os.MkdirTemp("", "bindings")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r := report{Rounds: rounds, Machine: fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()), Bindings: []binding{
		{Name: "wgpu-native", cgo: "1"}, {Name: "Dawn", cgo: "0", LibraryBytes: library.Size()},
	}}
	for i := range r.Bindings {
		if err := r.Bindings[i].build(filepath.Join(work, fmt.Sprint(i))); err != nil {
			return err
		}
	}
	for range rounds {
		for i := range r.Bindings {
			if r.Adapter, err = r.Bindings[i].measure(dawn, through); err != nil {
				return fmt.Errorf("%s: %w", r.Bindings[i].Name, err)
			}
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(r)
}

// build builds the program.
func (b *binding) build(to string) error {
	c := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", to, "./tools/gossamer")
	c.Env, c.Stderr = append(os.Environ(), "CGO_ENABLED="+b.cgo), os.Stderr
	if err := c.Run(); err != nil {
		return err
	}
	info, err := os.Stat(to)
	if err != nil {
		return err
	}
	b.program, b.ProgramBytes = to, info.Size()
	return nil
}

// command runs the program and returns what it prints, and the processor time that it took.
func (b *binding) command(dawn, through string, args ...string) ([]byte, time.Duration, error) {
	args = append([]string{b.program}, args...)
	if through != "" {
		args = append([]string{through}, args...)
	}
	c := exec.Command(args[0], args[1:]...)
	var stderr bytes.Buffer
	c.Env, c.Stderr = append(os.Environ(), "GOSSAMER_DAWN="+dawn, "MESA_SHADER_CACHE_DISABLE=true"), &stderr
	out, err := c.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	return out, c.ProcessState.UserTime() + c.ProcessState.SystemTime(), nil
}

// measure runs everything once and keeps what is less than before.
func (b *binding) measure(dawn, through string) (adapter string, err error) {
	least := func(kept *float64, v float64) {
		if *kept == 0 || v < *kept {
			*kept = v
		}
	}
	_, took, err := b.command(dawn, through, "generate", "--backend", "webgpu", "--max-tokens", "1", "--tokens", "13225")
	if err != nil {
		return "", err
	}
	least(&b.StartSeconds, took.Seconds())
	out, _, err := b.command(dawn, through,
		"bench", "--json", "--backend", "webgpu", "--kernels", "--depths", "64", "--prompt", "16", "--tokens", "2", "--runs", "1")
	if err != nil {
		return "", err
	}
	var told struct {
		Adapter string  `json:"adapter"`
		Latency latency `json:"dispatch_latency"`
		Kernels []struct {
			Kernels []struct {
				Name   string  `json:"name"`
				Micros float64 `json:"us"`
			} `json:"kernels"`
		} `json:"kernels"`
	}
	if err := json.Unmarshal(out, &told); err != nil {
		return "", err
	}
	if len(told.Kernels) != 1 {
		return "", errors.New("bench told of no kernels")
	}
	least(&b.Latency.Dependent, told.Latency.Dependent)
	least(&b.Latency.Independent, told.Latency.Independent)
	least(&b.Latency.Submit, told.Latency.Submit)
	least(&b.Latency.Record, told.Latency.Record)
	if b.Kernels == nil {
		b.Kernels = map[string]float64{}
	}
	for _, k := range told.Kernels[0].Kernels {
		kept := b.Kernels[k.Name]
		least(&kept, k.Micros)
		b.Kernels[k.Name] = kept
	}
	return told.Adapter, nil
}

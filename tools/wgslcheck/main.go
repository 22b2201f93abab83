// Command wgslcheck compiles every kernel in every variant with Tint, Chrome's WGSL front end, through Dawn in Node. The native
// front ends compile the same list in the tests of runtime/kernel.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"gossamer/runtime/kernel"
	"gossamer/shaders"
)

//go:embed tint.mjs
var script string

// errMissing says that Node, Dawn or a driver is not there.
var errMissing = errors.New("not installed")

func main() {
	dawn := flag.String("dawn", "build/dawn/node_modules/webgpu", "directory of the npm package webgpu (make setup-test installs it)")
	flag.Parse()
	code := 0
	for _, p := range passes() {
		r, err := check(context.Background(), *dawn, p)
		if err != nil {
			fmt.Fprintln(os.Stderr, "wgslcheck:", err)
			os.Exit(1)
		}
		code = max(code, r.print(os.Stdout))
	}
	os.Exit(code)
}

// report is what Tint says.
type report struct {
	Adapter  string             `json:"adapter"`
	Features []string           `json:"features"`
	Results  map[string]*string `json:"results"` // nil: compiled; "skipped: ..." or errors otherwise
}

func (r *report) print(w io.Writer) (code int) {
	var names []string
	for name := range r.Results {
		names = append(names, name)
	}
	slices.Sort(names)
	compiled := 0
	for _, name := range names {
		switch e := r.Results[name]; {
		case e == nil:
			compiled++
		case strings.HasPrefix(*e, "skipped: "):
			fmt.Fprintf(w, "%s: %s\n", name, *e)
		default:
			fmt.Fprintf(w, "%s:\n%s\n", name, *e)
			code = 1
		}
	}
	fmt.Fprintf(w, "%d of %d shaders compiled on %s with %v\n", compiled, len(names), r.Adapter, r.Features)
	return code
}

// variants are those that a browser can ask for.
func variants() map[string]shaders.Variant {
	return map[string]shaders.Variant{
		"common":        {Dialect: shaders.Tint},
		"subgroups":     {Dialect: shaders.Tint, Subgroups: true},
		"f16":           {Dialect: shaders.Tint, F16: true},
		"f16+subgroups": {Dialect: shaders.Tint, F16: true, Subgroups: true},
	}
}

// A pass is one run of Dawn.
type pass struct {
	name string
	flag string // of Dawn
	// smallest takes one shape of each kernel only: a driver that compiles to machine code is slow.
	smallest bool
}

// passes are Tint alone on every shader, with all features, and Tint with a driver that must accept what it makes of them.
func passes() []pass {
	return []pass{
		{name: "Tint", flag: "backend=null"},
		// SwiftShader compiles the extension's zeros of workgroup memory one by one, which takes most of the time; Dawn can write the
		// same zeros in a loop.
		{name: "Driver", flag: "disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension", smallest: true},
	}
}

// check compiles the kernels of a pass with the Dawn package in dir.
func check(ctx context.Context, dir string, p pass) (*report, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "package.json")); err != nil {
		return nil, fmt.Errorf("npm package webgpu (Dawn for Node) is %w in %s: run make setup-test", errMissing, dir)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("node is %w: install Node.js 20 or newer", errMissing)
	}
	type shader struct {
		Source    string `json:"source"`
		Subgroups bool   `json:"subgroups"`
		F16       bool   `json:"f16"`
	}
	cases := map[string]shader{}
	for name, v := range variants() {
		list, err := kernel.All(v)
		if err != nil {
			return nil, err
		}
		if p.smallest {
			list = smallest(list)
		}
		for i, s := range list {
			cases[fmt.Sprintf("%s %s #%d", name, s.Name, i)] = shader{s.Source, v.Subgroups, v.F16}
		}
	}
	input, err := json.Marshal(cases)
	if err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp("", "tint-*.mjs")
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.WriteString(script); err != nil {
		return nil, err
	}
	if err := tmp.Close(); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, node, tmp.Name(), dir, p.flag)
	cmd.Env = append(os.Environ(), swiftShader()...)
	cmd.Stdin = bytes.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 3 {
			return nil, fmt.Errorf("a driver that Dawn accepts is %w: install Debian's chromium for SwiftShader", errMissing)
		}
		return nil, fmt.Errorf("node: %w: %s", err, errs.String())
	}
	r := &report{}
	if err := json.Unmarshal(out.Bytes(), r); err != nil {
		return nil, fmt.Errorf("node's report: %w", err)
	}
	if len(r.Results) != len(cases) {
		return nil, fmt.Errorf("node reported %d of %d shaders: %s", len(r.Results), len(cases), errs.String())
	}
	return r, nil
}

// smallest keeps the shortest shader of each kernel.
func smallest(list []shaders.Shader) []shaders.Shader {
	least := map[string]shaders.Shader{}
	for _, s := range list {
		if old, ok := least[s.Name]; !ok || len(s.Source) < len(old.Source) {
			least[s.Name] = s
		}
	}
	return slices.Collect(maps.Values(least))
}

// swiftShader is the environment that gives Dawn Chromium's software driver, unless the user has chosen one.
func swiftShader() []string {
	const icd = "/usr/lib/chromium/vk_swiftshader_icd.json"
	if os.Getenv("VK_ICD_FILENAMES") != "" || os.Getenv("VK_DRIVER_FILES") != "" {
		return nil
	}
	if _, err := os.Stat(icd); err != nil {
		return nil
	}
	return []string{"VK_ICD_FILENAMES=" + icd}
}

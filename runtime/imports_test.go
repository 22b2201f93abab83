//go:build !js

package runtime

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// imports says which of our packages each package imports outside its tests; the table is the architecture. The test fails where
// code imports more, and where the table allows what no code imports.
var imports = map[string][]string{
	"docs":              {}, // tests of the documents
	"shaders":           {},
	"runtime/promise":   {}, // of the browser build
	"runtime/nano":      {"runtime/checkpoint", "runtime/checkpoint/safetensors"},
	"runtime/tensor":    {},
	"runtime/jsonerror": {},
	"runtime/gptoss":    {"runtime/jsonerror"},

	"runtime/checkpoint":             {"runtime/gptoss"},
	"runtime/checkpoint/random":      {"runtime/gptoss", "runtime/tensor"},
	"runtime/checkpoint/safetensors": {"runtime/checkpoint", "runtime/gptoss", "runtime/jsonerror"},
	"runtime/checkpoint/gguf":        {"runtime/checkpoint", "runtime/gptoss", "runtime/tensor"},
	"runtime/checkpoint/packed":      {"runtime/checkpoint", "runtime/checkpoint/safetensors", "runtime/gptoss", "runtime/jsonerror"},
	"runtime/checkpoint/remote":      {"runtime/checkpoint", "runtime/checkpoint/packed", "runtime/checkpoint/safetensors"},
	"runtime/checkpoint/page":        {"runtime/checkpoint", "runtime/checkpoint/packed", "runtime/gptoss", "runtime/promise"}, // of the browser build
	"runtime/checkpoint/detect": {"runtime/checkpoint", "runtime/checkpoint/gguf", "runtime/checkpoint/packed", "runtime/checkpoint/remote",
		"runtime/checkpoint/safetensors"}, // remote natively
	"runtime/hub": {"runtime/checkpoint", "runtime/checkpoint/detect", "runtime/checkpoint/gguf", "runtime/checkpoint/packed",
		"runtime/checkpoint/remote", "runtime/checkpoint/safetensors", "runtime/gptoss"},

	"runtime/kv":              {},
	"runtime/sample":          {},
	"runtime/grammar":         {"runtime/sample"},
	"runtime/tokenizer":       {},
	"runtime/tokenizer/o200k": {"runtime/tokenizer"},
	"runtime/harmony":         {"runtime/jsonerror", "runtime/tokenizer"},
	"runtime/engine":          {"runtime/gptoss", "runtime/sample"},
	"runtime/chat":            {"runtime/engine", "runtime/grammar", "runtime/harmony", "runtime/sample", "runtime/tokenizer"},
	"runtime/wire":            {"runtime/chat", "runtime/engine", "runtime/sample"},
	"runtime/openai":          {"runtime/chat", "runtime/wire"},
	"runtime/anthropic":       {"runtime/chat", "runtime/wire"},
	"runtime/completions":     {"runtime/chat", "runtime/openai", "runtime/sample", "runtime/tokenizer", "runtime/wire"},
	"runtime/responses":       {"runtime/chat", "runtime/sample", "runtime/wire"},
	"runtime/server":          {"runtime/anthropic", "runtime/chat", "runtime/completions", "runtime/engine", "runtime/jsonerror", "runtime/openai", "runtime/responses", "runtime/tokenizer", "runtime/wire"},
	"runtime/playback":        {"runtime/engine", "runtime/gptoss", "runtime/harmony", "runtime/sample", "runtime/tokenizer"},
	"runtime/gpu":             {"runtime/gpu/dawn", "runtime/promise", "shaders"}, // dawn without cgo, promise in the browser build
	"runtime/gpu/dawn":        {},
	"runtime/kernel":          {"shaders", "runtime/gpu"},
	"runtime/ref":             {"runtime/engine", "runtime/gptoss", "runtime/tensor", "runtime/checkpoint"},
	"runtime/selftest":        {"runtime/engine", "runtime/gptoss", "runtime/gpu", "runtime/model", "runtime/ref", "runtime/tensor", "runtime/checkpoint"},
	"runtime/model":           {"shaders", "runtime/engine", "runtime/gpu", "runtime/gptoss", "runtime/kernel", "runtime/kv", "runtime/sample", "runtime/checkpoint"},

	"tools/gossamer/internal/terminal": {}, // of the command
}

// testOnly packages help tests and may import what they help to test. Outside tests they are imported by those listed alone.
var testOnly = map[string][]string{
	"runtime/gpu/gputest":               {},
	"runtime/checkpoint/checkpointtest": {"tools/randmodel"}, // the generator as a command
	"runtime/hub/hubtest":               {},
	"runtime/tokenizer/tokenizertest":   {},
	"runtime/goldentest":                {},
	"runtime/testenv":                   {},
}

// only lists packages outside this module that belong to few of ours.
var only = map[string][]string{
	"net/http":   {"runtime/checkpoint/remote", "runtime/hub", "runtime/hub/hubtest", "runtime/server", "tools/gossamer"}, // natively
	"syscall/js": {"wasm", "runtime/gpu", "runtime/promise", "runtime/checkpoint", "runtime/checkpoint/page"},             // in files for GOOS=js
	"github.com/prometheus/client_golang/prometheus":          {"runtime/server"},
	"github.com/prometheus/client_golang/prometheus/promhttp": {"runtime/server"},
	"log":                                   {"tools/gossamer"}, // which silences it: net/http writes there
	"charm.land/bubbletea/v2":               {"tools/gossamer/internal/terminal"},
	"github.com/cogentcore/webgpu/wgpu":     {"runtime/gpu"},
	"github.com/oliverbestmann/webgpu/wgpu": {"runtime/gpu"},
	"github.com/ebitengine/purego":          {"runtime/gpu/dawn"},
}

// build is one way to build the module.
type build struct {
	name     string
	env      []string
	args     []string // of go list
	packages []string
}

// builds select every file between them.
var builds = []build{
	{name: "native", env: []string{"CGO_ENABLED=1"}, packages: []string{"gossamer/..."}},
	{name: "js", env: []string{"GOOS=js", "GOARCH=wasm"}, packages: []string{"gossamer/runtime/...", "gossamer/shaders/...", "gossamer/wasm/..."}},
	{name: "without cgo", env: []string{"CGO_ENABLED=0"}, packages: []string{"gossamer/..."}},
	{name: "cogentcore", env: []string{"CGO_ENABLED=1"}, args: []string{"-tags=cogentcore"}, packages: []string{"gossamer/..."}},
}

// listed is a package as go list sees it in one build.
type listed struct {
	ImportPath        string
	Name, Dir         string
	GoFiles, CgoFiles []string
	Imports           []string
	Export            string // the file of its export data, if asked for
}

// list runs go list for one build.
func (b build) list(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", slices.Concat([]string{"list", "-json=ImportPath,Name,Dir,GoFiles,CgoFiles,Imports,Export"}, b.args, args)...)
	cmd.Env = append(cmd.Environ(), b.env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: go list: %v\n%s", b.name, err, stderr.String())
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestArchitectureImports(t *testing.T) {
	used := map[string]map[string]bool{} // by package of ours, what it imports in any build
	for _, b := range builds {
		for _, p := range b.list(t, b.packages...) {
			name := strings.TrimPrefix(p.ImportPath, "gossamer/")
			if used[name] == nil {
				used[name] = map[string]bool{}
			}
			for _, imp := range p.Imports {
				used[name][imp] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		_, helper := testOnly[name]
		_, known := imports[name]
		if !known && !helper && !isCommand(name) && name != "runtime" {
			t.Errorf("%s is not in the table: say what it may import", name)
		}
		for _, imp := range slices.Sorted(maps.Keys(used[name])) {
			if owners, ok := only[imp]; ok && !slices.Contains(owners, name) {
				t.Errorf("%s imports %s, which is for %v", name, imp, owners)
			}
			own, ok := strings.CutPrefix(imp, "gossamer/")
			if !ok || helper {
				continue
			}
			if owners, ok := testOnly[own]; ok {
				if !slices.Contains(owners, name) {
					t.Errorf("%s imports %s outside its tests", name, own)
				}
				continue
			}
			switch {
			case isCommand(own):
				t.Errorf("%s imports %s: commands are imported by nobody", name, own)
			case known && !slices.Contains(imports[name], own):
				t.Errorf("%s imports %s, the table allows %v", name, own, imports[name])
			}
		}
	}

	// unused reports what the tables allow to the package name and nobody does.
	unused := func(name, imp string) {
		switch {
		case used[name] == nil:
			t.Errorf("a table has %s, which does not exist", name)
		case !used[name][imp]:
			t.Errorf("a table allows %s to import %s, which it does not", name, imp)
		}
	}
	for name, allowed := range imports {
		if used[name] == nil {
			t.Errorf("a table has %s, which does not exist", name)
			continue
		}
		for _, own := range allowed {
			unused(name, "gossamer/"+own)
		}
	}
	for own, owners := range testOnly {
		if used[own] == nil {
			t.Errorf("a table has %s, which does not exist", own)
		}
		for _, owner := range owners {
			unused(owner, "gossamer/"+own)
		}
	}
	for imp, owners := range only {
		for _, owner := range owners {
			unused(owner, imp)
		}
	}
}

// isCommand says whether a package is the front of a program, which may import all of runtime: a command, an example, or the module of the page.
func isCommand(name string) bool {
	return (strings.HasPrefix(name, "tools/") || strings.HasPrefix(name, "examples/")) && !strings.Contains(name, "/internal/") || name == "wasm"
}

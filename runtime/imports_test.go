package runtime

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// imports says which of our packages each package may import; the table is the architecture.
var imports = map[string][]string{
	"shaders":                 {},
	"runtime/promise":         {}, // of the browser build
	"runtime/nano":            {"runtime/weights"},
	"runtime/tensor":          {},
	"runtime/gptoss":          {"runtime/tensor"},
	"runtime/weights":         {"runtime/gptoss", "runtime/promise", "runtime/tensor"},
	"runtime/weights/random":  {"runtime/gptoss", "runtime/tensor"},
	"runtime/kv":              {},
	"runtime/sample":          {},
	"runtime/tokenizer":       {},
	"runtime/tokenizer/o200k": {"runtime/tokenizer"},
	"runtime/harmony":         {"runtime/tokenizer"},
	"runtime/engine":          {"runtime/gptoss", "runtime/kv", "runtime/sample"},
	"runtime/chat":            {"runtime/engine", "runtime/harmony", "runtime/sample", "runtime/tokenizer"},
	"runtime/openai":          {"runtime/chat", "runtime/engine", "runtime/sample"},
	"runtime/gpu":             {"runtime/promise", "shaders"},
	"runtime/kernel":          {"shaders", "runtime/gpu"},
	"runtime/ref":             {"runtime/engine", "runtime/gptoss", "runtime/tensor", "runtime/weights"},
	"runtime/selftest":        {"runtime/engine", "runtime/gptoss", "runtime/gpu", "runtime/model", "runtime/ref", "runtime/tensor", "runtime/weights"},
	"runtime/model":           {"shaders", "runtime/engine", "runtime/gpu", "runtime/gptoss", "runtime/kernel", "runtime/kv", "runtime/weights"},
}

// testOnly packages help tests and may import what they help to test.
var testOnly = []string{"runtime/gpu/gputest", "runtime/weights/weightstest", "runtime/goldentest"}

// only lists packages outside this module that belong to few of ours.
var only = map[string][]string{
	"net/http":                              {"runtime/server", "runtime/weights", "tools/"},               // weights: natively
	"syscall/js":                            {"wasm", "runtime/gpu", "runtime/promise", "runtime/weights"}, // in files for GOOS=js
	"log":                                   {},
	"github.com/cogentcore/webgpu/wgpu":     {"runtime/gpu"},
	"github.com/oliverbestmann/webgpu/wgpu": {"runtime/gpu"},
}

func TestPackagesImportWhatTheArchitectureAllows(t *testing.T) {
	for _, env := range [][]string{nil, {"GOOS=js", "GOARCH=wasm"}} {
		cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "gossamer/...")
		cmd.Env = append(cmd.Environ(), env...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
			var p struct {
				ImportPath string
				Imports    []string
			}
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimPrefix(p.ImportPath, "gossamer/")
			if slices.Contains(testOnly, name) {
				continue
			}
			for _, imp := range p.Imports {
				checkImport(t, name, imp)
			}
		}
	}
}

func checkImport(t *testing.T, name, imp string) {
	t.Helper()
	if owners, ok := only[imp]; ok {
		if !slices.ContainsFunc(owners, func(o string) bool { return name == o || strings.HasSuffix(o, "/") && strings.HasPrefix(name, o) }) {
			t.Errorf("%s imports %s, which is for %v", name, imp, owners)
		}
	}
	own, isOwn := strings.CutPrefix(imp, "gossamer/")
	if !isOwn {
		return
	}
	switch {
	case slices.Contains(testOnly, own) && name != "tools/randmodel": // the generator as a command
		t.Errorf("%s imports %s outside its tests", name, own)
	case strings.HasPrefix(name, "tools/") || name == "wasm":
		if strings.HasPrefix(own, "tools/") && !strings.HasPrefix(own, path.Dir(name)) && !strings.HasPrefix(own, "tools/internal/") {
			t.Errorf("%s imports the command %s", name, own)
		}
	case strings.HasPrefix(own, "tools/") || own == "wasm":
		t.Errorf("%s imports %s: commands are imported by nobody", name, own)
	case name == "runtime":
	default:
		allowed, known := imports[name]
		if !known {
			t.Errorf("%s is not in the table of this test: say what it may import", name)
		} else if !slices.Contains(allowed, own) {
			t.Errorf("%s imports %s, allowed are %v", name, own, allowed)
		}
	}
}

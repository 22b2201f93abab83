// Package docs holds the documents for developers, and the tests that compare all documents with the code. The tests need no device.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the directory of the module.
const root = "../"

// documents are the documents that the tests read.
var documents = []string{
	"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md",
	"docs/README.md", "docs/browsers.md", "docs/chat.md", "docs/clients.md", "docs/cpu.md", "docs/development.md", "docs/embedding.md",
	"docs/fleet.md", "docs/grammar.md", "docs/install.md", "docs/library.md", "docs/models.md", "docs/playback.md", "docs/server.md",
	"docs/structured-output.md", "docs/troubleshooting.md",
	"examples/README.md", "examples/go/README.md", "examples/html/README.md", "examples/node/README.md", "examples/vite/README.md",
	"runtime/ARCHITECTURE.md", "runtime/RATIONALE.md",
	"shaders/README.md", "tools/README.md", "wasm/README.md", "web/README.md",
}

// read returns a file of the module.
func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(root + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// flat is text with each run of white space as one space, so that line breaks don't matter.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// says fails unless a document contains the formatted text.
func says(t *testing.T, document, format string, args ...any) {
	t.Helper()
	if want := fmt.Sprintf(format, args...); !strings.Contains(flat(read(t, document)), flat(want)) {
		t.Errorf("%s should say %q: the code has changed, or the text", document, want)
	}
}

// files lists the module's files, relative to its root, without what is built or downloaded.
func files(t *testing.T) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "bin", "build", "web/dist"}, name) || d.IsDir() && d.Name() == "node_modules" {
			return fs.SkipDir
		}
		names = append(names, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

var (
	fence    = regexp.MustCompile("(?ms)^ *```.*?^ *```\n?")
	code     = regexp.MustCompile("`([^`]+)`")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	pathName = regexp.MustCompile(`^[\w.*/-]+$`)
	// extensions of files that documents name. Names of a packed model's or a checkpoint's files are not the module's.
	extension   = regexp.MustCompile(`\.(go|ts|mjs|js|wgsl|md|sh|py|c|css|html|zip)$`)
	sourceFile  = regexp.MustCompile(`[\w*./-]+\.(?:go|ts|mjs|wgsl)\b`)
	packagePath = regexp.MustCompile(`\./((?:runtime|shaders|tools|wasm|docs)/[\w/-]+)`)
	heading     = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notAnchor   = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// others are names of files that are made from the module's, and of files in examples.
var others = []string{
	"gossamer.js", "chat.js", "worker.js", "service.js", "service-worker.js",
	"x_js.go", "x_native.go", "lib/name.wgsl", "lib/name_subgroup.wgsl",
	"shaders/scale.wgsl", "runtime/kernel/scale.go", "runtime/kernel/scale_test.go",
}

// TestLinks: relative links lead to files, and their anchors to headings.
func TestLinks(t *testing.T) {
	for _, document := range documents {
		for _, m := range link.FindAllStringSubmatch(read(t, document), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			name := document
			if target != "" {
				name = path.Join(path.Dir(document), target)
			}
			if _, err := os.Stat(root + name); err != nil {
				t.Errorf("%s links to %s, which does not exist", document, m[1])
				continue
			}
			if anchor == "" {
				continue
			}
			found := slices.ContainsFunc(heading.FindAllStringSubmatch(read(t, name), -1), func(h []string) bool {
				return strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor
			})
			if !found {
				t.Errorf("%s links to %s, which is no heading of %s", document, m[1], name)
			}
		}
	}
}

// TestPaths: files and directories that documents name in backticks and in blocks of code exist. A name may leave out the directories
// at its beginning, and may have stars.
func TestPaths(t *testing.T) {
	all := files(t)
	exists := func(name string) bool {
		name = strings.TrimSuffix(name, "/")
		return slices.ContainsFunc(all, func(file string) bool {
			parts, n := strings.Split(file, "/"), strings.Count(name, "/")+1
			if len(parts) < n {
				return false
			}
			ok, err := path.Match(name, strings.Join(parts[len(parts)-n:], "/"))
			return ok && err == nil
		})
	}
	for _, document := range documents {
		text := read(t, document)
		var candidates []string
		for _, m := range code.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			candidates = append(candidates, strings.TrimPrefix(m[1], "../"))
		}
		for _, block := range fence.FindAllString(text, -1) {
			candidates = append(candidates, sourceFile.FindAllString(block, -1)...)
			for _, m := range packagePath.FindAllStringSubmatch(block, -1) {
				candidates = append(candidates, m[1])
			}
		}
		for _, name := range candidates {
			first, _, isPath := strings.Cut(name, "/")
			switch {
			case !pathName.MatchString(name) || slices.Contains(others, name) || strings.HasPrefix(name, "~"):
				continue
			case strings.Contains(name, "NAME"), first == "bin", first == "dist", strings.HasPrefix(name, "web/dist"):
				continue
			case extension.MatchString(name):
			case isPath && slices.Contains([]string{"runtime", "shaders", "wasm", "web", "clients", "tools", "docs", "deploy", "examples", "testdata", "lib", ".ci"}, first):
			default:
				continue
			}
			if !exists(name) {
				t.Errorf("%s names `%s`, which does not exist", document, name)
			}
		}
	}
}

// TestPathsOfThePage: TypeScript files that Go files name by their paths exist.
func TestPathsOfThePage(t *testing.T) {
	named := regexp.MustCompile(`\bweb/[\w/-]+\.(?:ts|mjs)\b`)
	for _, name := range files(t) {
		if path.Ext(name) != ".go" {
			continue
		}
		for _, target := range named.FindAllString(read(t, name), -1) {
			if _, err := os.Stat(root + target); err != nil {
				t.Errorf("%s names %s, which does not exist", name, target)
			}
		}
	}
}

// TestTargets: make targets that documents name are in the Makefile.
func TestTargets(t *testing.T) {
	makefile := read(t, "Makefile")
	named := regexp.MustCompile(`\bmake ([a-z0-9-]+)`)
	found := 0
	for _, document := range documents {
		text := read(t, document)
		quoted := append(fence.FindAllString(text, -1), code.FindAllString(fence.ReplaceAllString(text, ""), -1)...)
		for _, m := range named.FindAllStringSubmatch(strings.Join(quoted, "\n"), -1) {
			found++
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s names `make %s`, which is no target of the Makefile", document, m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d mentions of targets were found", found)
	}
}

// TestCommands: subcommands of gossamer that documents name exist, with the flags that they are given.
func TestCommands(t *testing.T) {
	var source strings.Builder
	for _, name := range files(t) {
		if path.Dir(name) == "tools/gossamer" && path.Ext(name) == ".go" {
			source.WriteString(read(t, name))
		}
	}
	named := regexp.MustCompile(`(?m)(?:^|\x60)(?:bin/)?gossamer ([a-z]+)\b([^\x60#\n]*)`)
	flags := regexp.MustCompile(`--([a-z][a-z-]*)`)
	seen := map[string]bool{}
	for _, document := range documents {
		for _, m := range named.FindAllStringSubmatch(read(t, document), -1) {
			seen[m[1]] = true
			commands := []string{m[1]}
			if strings.HasPrefix(m[2], ", ") { // `gossamer chat, models, pack`
				commands = append(commands, strings.Split(strings.TrimPrefix(m[2], ", "), ", ")...)
			}
			for _, c := range commands {
				if !regexp.MustCompile(`name: +"` + c + `"`).MatchString(source.String()) {
					t.Errorf("%s names the command gossamer %s, which tools/gossamer does not have", document, c)
				}
			}
			for _, f := range flags.FindAllStringSubmatch(m[2], -1) {
				if !strings.Contains(source.String(), `"`+f[1]+`", `) {
					t.Errorf("%s gives gossamer %s the flag --%s, which tools/gossamer does not have", document, m[1], f[1])
				}
			}
		}
	}
	if !seen["chat"] || !seen["pack"] || !seen["bench"] {
		t.Errorf("found only the commands %v", seen)
	}
}

// TestNamesOfTests: tests that documents name exist.
func TestNamesOfTests(t *testing.T) {
	var source strings.Builder
	for _, name := range files(t) {
		if strings.HasSuffix(name, "_test.go") {
			source.WriteString(read(t, name))
		}
	}
	for _, document := range documents {
		for _, name := range regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`).FindAllString(read(t, document), -1) {
			if !strings.Contains(source.String(), "func "+name+"(") {
				t.Errorf("%s names %s, which no test file has", document, name)
			}
		}
	}
}

// rows returns the first column's names in backticks of every table row of a document, from a heading to the next.
func rows(t *testing.T, document, title string) (first []string) {
	t.Helper()
	_, section, ok := strings.Cut(read(t, document), "\n## "+title+"\n")
	if !ok {
		t.Fatalf("%s has no section %q", document, title)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
			first = append(first, m[1])
		}
	}
	return first
}

// TestPackages: ARCHITECTURE's table has the packages that there are.
func TestPackages(t *testing.T) {
	table := rows(t, "runtime/ARCHITECTURE.md", "Packages")
	packages := map[string]bool{}
	for _, name := range files(t) {
		dir := path.Dir(name)
		if path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") && (dir == "shaders" || strings.HasPrefix(dir+"/", "runtime/")) {
			packages[strings.TrimPrefix(dir, "runtime/")] = true
		}
	}
	for name := range packages {
		if !slices.Contains(table, name) {
			t.Errorf("runtime/ARCHITECTURE.md does not have package %s in its table", name)
		}
	}
	for _, name := range table {
		if !packages[name] {
			t.Errorf("runtime/ARCHITECTURE.md has package %s in its table, which does not exist", name)
		}
	}
}

// TestPlatformFiles: what ARCHITECTURE's first principle says of files that are for some platforms only.
func TestPlatformFiles(t *testing.T) {
	constraint := regexp.MustCompile(`(?m)^//go:build .*\bjs\b`)
	for _, name := range files(t) {
		if !strings.HasPrefix(name, "runtime/") || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || path.Dir(name) == "runtime/gpu" {
			continue
		}
		if constraint.MatchString(read(t, name)) && !strings.HasSuffix(name, "_native.go") {
			t.Errorf("%s is for some platforms only: name it _native.go, or mend the first principle of runtime/ARCHITECTURE.md", name)
		}
	}
}

// TestKernelTables: the tables of kernels have the shaders that there are, and each shader's host file exists.
func TestKernelTables(t *testing.T) {
	shaders, err := filepath.Glob(root + "shaders/*.wgsl")
	if err != nil || len(shaders) == 0 {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(read(t, "shaders/README.md"), "\n## Kernels\n")
	var table []string
	for _, m := range code.FindAllStringSubmatch(section, -1) {
		table = append(table, m[1])
	}
	decode := rows(t, "runtime/ARCHITECTURE.md", "The forward pass on the device")
	if len(decode) != 0 {
		t.Errorf("the first column has names: %v", decode)
	}
	host := regexp.MustCompile(`(?m)^// +host +(\S+\.go)`)
	other := []string{} // kernels whose host file has another name
	for _, file := range shaders {
		name := strings.TrimSuffix(filepath.Base(file), ".wgsl")
		if !slices.Contains(table, name) {
			t.Errorf("shaders/README.md does not have `%s` in its table of kernels", name)
		}
		m := host.FindStringSubmatch(read(t, "shaders/"+name+".wgsl"))
		if m == nil {
			t.Errorf("shaders/%s.wgsl does not name its host file", name)
			continue
		}
		if _, err := os.Stat(root + m[1]); err != nil {
			t.Errorf("shaders/%s.wgsl names the host file %s, which does not exist", name, m[1])
		}
		if path.Base(m[1]) != name+".go" {
			other = append(other, name)
		}
	}
	for _, name := range table {
		if _, err := os.Stat(root + "shaders/" + name + ".wgsl"); err != nil {
			t.Errorf("shaders/README.md has `%s` in its table of kernels, which does not exist", name)
		}
	}
	if want := []string{
		"attn_prefill_matrix", "sample_adjust", "sample_filter", "sample_final", "sample_final_full", "sample_partial", "sample_partial_full",
		"unembed_narrow",
	}; !slices.Equal(other, want) {
		t.Errorf("shaders/README.md and package kernel say that %v have host files with other names, it is %v", want, other)
	}
}

// TestBindings: what shaders/README.md says of bindings, and RATIONALE of parameters.
func TestBindings(t *testing.T) {
	shaders, err := filepath.Glob(root + "shaders/*.wgsl")
	if err != nil {
		t.Fatal(err)
	}
	binding := regexp.MustCompile(`@group\((\d)\) @binding\((\d+)\) var<([^>]*)>`)
	word := regexp.MustCompile(`\w+: ?[uf]32\b`)
	order := map[string]int{"uniform": 0, "storage, read": 1, "storage, read_write": 2}
	var none []string // kernels without a uniform
	for _, file := range shaders {
		name := strings.TrimSuffix(filepath.Base(file), ".wgsl")
		source := read(t, "shaders/"+name+".wgsl")
		_, params, _ := strings.Cut(source, "struct Params {")
		params, _, _ = strings.Cut(params, "}")
		if n := len(word.FindAllString(params, -1)); n > 4 {
			t.Errorf("the parameters of %s have %d words, runtime/RATIONALE.md says at most 16 bytes", name, n)
		}
		last, uniforms, storage := 0, 0, 0
		for i, m := range binding.FindAllStringSubmatch(source, -1) {
			kind, ok := order[m[3]]
			if !ok || m[1] != "0" || m[2] != fmt.Sprint(i) || kind < last {
				t.Errorf("%s: binding %s of group %s is %q, against the order that shaders/README.md gives", name, m[2], m[1], m[3])
			}
			last = kind
			if kind == 0 {
				uniforms++
			} else {
				storage++
			}
		}
		if uniforms == 0 {
			none = append(none, name)
		}
		if uniforms > 2 || storage > 8 {
			t.Errorf("%s has %d uniforms and %d storage buffers, shaders/README.md says at most 2 and 8", name, uniforms, storage)
		}
		if name == "qkv_decode" && storage != 8 {
			t.Errorf("qkv_decode has %d storage buffers, runtime/RATIONALE.md says 8", storage)
		}
	}
	says(t, "runtime/RATIONALE.md", "Parameters of dispatches, 16 bytes each")
	says(t, "shaders/README.md", "(ten kernels have none: `%s`)", strings.Join(none, "`, `"))
}

// TestErrorCodes: web/README.md lists the codes of errors that create and requests fail with.
func TestErrorCodes(t *testing.T) {
	_, union, _ := strings.Cut(read(t, "web/src/shared/errors.ts"), "export type RuntimeErrorCode =")
	union, _, _ = strings.Cut(union, ";\n")
	var want []string
	for _, m := range regexp.MustCompile(`\| '([a-z-]+)'`).FindAllStringSubmatch(union, -1) {
		if m[1] != "quota" { // only ever a notice
			want = append(want, m[1])
		}
	}
	_, list, _ := strings.Cut(flat(read(t, "web/README.md")), "a `hint` that says what to do:")
	list, _, _ = strings.Cut(list, ". An abort")
	var got []string
	for _, m := range code.FindAllStringSubmatch(list, -1) {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("web/README.md lists the codes %v, RuntimeErrorCode has %v", got, want)
	}
}

// TestFirstPage: docs/README.md, from which the documents are rendered, links to each of them.
func TestFirstPage(t *testing.T) {
	linked := map[string]bool{"docs/README.md": true}
	for _, m := range link.FindAllStringSubmatch(read(t, "docs/README.md"), -1) {
		linked[path.Join("docs", m[1])] = true
	}
	for _, document := range documents {
		if !linked[document] && (strings.HasPrefix(document, "docs/") || path.Dir(document) != "." && strings.Count(document, "/") == 1) {
			t.Errorf("docs/README.md does not link to %s", document)
		}
	}
}

// TestExamples: documents show the examples as they are.
func TestExamples(t *testing.T) {
	_, page, _ := strings.Cut(read(t, "examples/html/index.html"), "<script type")
	page, _, _ = strings.Cut(page, "</script>")
	for _, e := range []struct{ document, code string }{
		{"docs/embedding.md", page},
		{"docs/embedding.md", read(t, "examples/vite/main.ts")},
		{"docs/library.md", read(t, "examples/go/main.go")},
	} {
		if !strings.Contains(read(t, e.document), e.code) {
			t.Errorf("%s does not show this example as it is:\n%s", e.document, e.code)
		}
	}
}

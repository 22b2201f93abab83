package main

import (
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// component is a part of a program that others made.
type component struct {
	kind    string // as package URLs call it: golang, cargo, npm; generic for the rest
	name    string
	version string
	licence string   // an SPDX expression; empty where only texts tell
	texts   []string // licences and notices; empty where the source is not at hand
}

// purl is the component's package URL.
func (c component) purl() string { return fmt.Sprintf("pkg:%s/%s@%s", c.kind, c.name, c.version) }

// linked returns what is in an executable: Go itself, modules and, of the native library, Rust crates.
func linked(executable string) ([]component, error) {
	info, err := buildinfo.ReadFile(executable)
	if err != nil {
		return nil, err
	}
	root, err := command("", nil, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	texts, err := licences(strings.TrimSpace(root))
	if err != nil {
		return nil, err
	}
	parts := []component{{kind: "golang", name: "std", version: strings.TrimPrefix(info.GoVersion, "go"), licence: "BSD-3-Clause", texts: texts}}
	ranks, err := command("", nil, "go", "list", "-m", "-f", "{{.Path}}@{{.Version}}", "github.com/pkoukk/tiktoken-go-loader") // data in the program
	if err != nil {
		return nil, err
	}
	args := []string{"mod", "download", "-json", strings.TrimSpace(ranks)}
	for _, m := range info.Deps {
		if m.Replace == nil { // else it is one of tools/nolibs, which are empty
			args = append(args, m.Path+"@"+m.Version)
		}
	}
	modules, err := command("", nil, "go", args...)
	if err != nil {
		return nil, err
	}
	found := map[string]component{}
	for d := json.NewDecoder(strings.NewReader(modules)); ; {
		var m struct{ Path, Version, Dir string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if texts, err = licences(m.Dir); err != nil {
			return nil, err
		}
		found[m.Path] = component{kind: "golang", name: m.Path, version: m.Version, texts: texts}
	}
	for _, path := range slices.Sorted(maps.Keys(found)) {
		c := found[path]
		for parent := path; len(c.texts) == 0; c.texts = found[parent].texts { // a module below another has its licence
			i := strings.LastIndexByte(parent, '/')
			if i < 0 {
				return nil, fmt.Errorf("the module %s has no licence", path)
			}
			parent = parent[:i]
		}
		parts = append(parts, c)
	}
	program, err := os.ReadFile(executable)
	return append(parts, crates(program)...), err
}

// licences reads the licences and notices in a folder.
func licences(dir string) (texts []string, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		stem, _, _ := strings.Cut(strings.ToUpper(f.Name()), ".")
		if stem, _, _ = strings.Cut(stem, "-"); f.IsDir() || !slices.Contains([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE"}, stem) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}

var (
	cratePath = regexp.MustCompile(`index\.crates\.io-[0-9a-f]+/([A-Za-z0-9_-]+?)-([0-9]+\.[0-9]+\.[0-9]+[A-Za-z0-9.+-]*)/`)
	rustPath  = regexp.MustCompile(`/rustc/([0-9a-f]{40})/`)
)

// crates are the Rust crates whose source files a program names, in the places of panics. One that cannot panic is not among them.
func crates(program []byte) []component {
	seen := map[string]component{}
	for _, m := range cratePath.FindAllSubmatch(program, -1) {
		c := component{kind: "cargo", name: string(m[1]), version: string(m[2])}
		seen[c.purl()] = c
	}
	if len(seen) == 0 {
		return nil
	}
	if m := rustPath.FindSubmatch(program); m != nil {
		seen["rust"] = component{kind: "generic", name: "rust-std", version: string(m[1]), licence: "MIT OR Apache-2.0"}
	}
	seen["wgpu"] = component{kind: "generic", name: "wgpu-native", licence: "MIT OR Apache-2.0"}
	return slices.SortedFunc(maps.Values(seen), func(a, b component) int { return cmp.Compare(a.purl(), b.purl()) })
}

// buildPage builds the chat page into the command's folder and returns the npm packages in it. meta is a file for what esbuild tells.
func buildPage(meta string) ([]component, error) {
	path, err := filepath.Abs(meta)
	if err != nil {
		return nil, err
	}
	if _, err := command("", nil, "node", "web/build.mjs", "native", "tools/gossamer/page", path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return bundled("web", text)
}

// bundled returns the npm packages among the inputs of esbuild's metafile, whose paths are relative to a folder.
func bundled(folder string, metafile []byte) ([]component, error) {
	var meta struct{ Inputs map[string]any }
	if err := json.Unmarshal(metafile, &meta); err != nil {
		return nil, err
	}
	found := map[string]component{}
	for input := range meta.Inputs {
		before, rest, ok := cutLast(input, "node_modules/")
		if !ok {
			continue
		}
		words := strings.SplitN(rest, "/", 3)
		name := words[0]
		if strings.HasPrefix(name, "@") {
			name += "/" + words[1]
		}
		if _, known := found[name]; known {
			continue
		}
		dir := filepath.Join(folder, filepath.FromSlash(before+"node_modules/"+name))
		var p struct{ Version, License string }
		text, err := os.ReadFile(filepath.Join(dir, "package.json"))
		if err := errors.Join(err, json.Unmarshal(text, &p)); err != nil {
			return nil, err
		}
		texts, err := licences(dir)
		if err != nil || len(texts) == 0 {
			return nil, errors.Join(err, fmt.Errorf("the npm package %s has no licence", name))
		}
		found[name] = component{kind: "npm", name: name, version: p.Version, licence: p.License, texts: texts}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b component) int { return cmp.Compare(a.name, b.name) }), nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

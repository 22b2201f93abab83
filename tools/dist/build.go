package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// target is a platform that a release has files for.
type target struct {
	OS, Arch string
	GPU      bool // built with cgo, which has WebGPU; else it has WebGPU if it finds a library of Dawn
	Second   bool // beside one with cgo for the same platform: an archive alone, for older systems
}

// targets are those that one machine can build: with cgo its own only, without those that need no C compiler.
func targets(os, arch string) (list []target) {
	for _, platform := range []target{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}, {OS: "darwin", Arch: "amd64"},
		{OS: "darwin", Arch: "arm64"}, {OS: "windows", Arch: "amd64"}} {
		withCgo := platform
		withCgo.GPU = platform.OS == os && (platform.Arch == arch || os == "darwin") // Apple's compiler makes both
		if withCgo.GPU {
			list = append(list, withCgo)
			platform.Second = true
		}
		list = append(list, platform)
	}
	return list
}

// name is what the files of a target are called after.
func (t target) name() string {
	if t.Second {
		return t.OS + "-" + t.Arch + "-portable"
	}
	return t.OS + "-" + t.Arch
}

// Library is where the library of Dawn that the program knows is in its npm package; empty where none is.
func (t target) Library() string {
	if t.GPU || t.OS != "linux" {
		return ""
	}
	return "package/dist/linux-" + map[string]string{"amd64": "x64", "arm64": "arm64"}[t.Arch] + "/dawn.node"
}

// build is what became of a target.
type build struct {
	target
	Glibc      string // that it needs; empty if none
	Archive    string // name of the file
	Folder     string // in the archive
	SHA256     string // of the archive
	Size       int64  // of the archive, in bytes
	executable string // path
	files      []file // of the archive
}

// Executable is the name of the program.
func (b *build) Executable() string {
	if b.OS == "windows" {
		return "gossamer.exe"
	}
	return "gossamer"
}

// CPU is what Homebrew calls the processor.
func (b *build) CPU() string {
	if b.Arch == "amd64" {
		return "intel"
	}
	return "arm"
}

// build builds a target's program, its archive and its SBOM.
func (r *release) build(t target) (*build, error) {
	b := &build{target: t, Folder: "gossamer-" + r.Version + "-" + t.name()}
	b.executable = filepath.Join(r.work, b.Folder, b.Executable())
	if err := compile(t, b.executable); err != nil {
		return nil, err
	}
	var err error
	if b.Glibc, err = glibc(t, b.executable); err != nil {
		return nil, err
	}
	parts, err := linked(b.executable)
	if err != nil {
		return nil, err
	}
	parts = append(parts, r.page...)
	program, err := os.ReadFile(b.executable)
	if err != nil {
		return nil, err
	}
	readme, err := fill("readme.md", struct {
		*release
		*build
	}{r, b})
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile("NOTICE")
	if err != nil {
		return nil, err
	}
	b.files = append([]file{
		{b.Executable(), 0o755, program},
		{"NOTICE", 0o644, notice(own, parts)},
		{"README.md", 0o644, readme},
	}, r.docs...)
	b.Archive = b.Folder + map[bool]string{true: ".zip", false: ".tar.gz"}[t.OS == "windows"]
	path := filepath.Join(r.out, b.Archive)
	if err := writeArchive(path, b.Folder, b.files, r.time); err != nil {
		return nil, err
	}
	if b.SHA256, b.Size, err = hashFile(path); err != nil {
		return nil, err
	}
	return b, r.writeSBOM(b, parts)
}

// compile builds the program without anything that depends on the directory.
func compile(t target, to string) error {
	flags, cgo := "-s -w -buildid=", "0"
	if t.GPU {
		cgo = "1"
	}
	if t.GPU && t.OS == "linux" {
		flags += " -extldflags=-Wl,--build-id=none"
	}
	_, err := command("", []string{"GOOS=" + t.OS, "GOARCH=" + t.Arch, "CGO_ENABLED=" + cgo},
		"go", "build", "-trimpath", "-ldflags", flags, "-o", to, "./tools/gossamer")
	return err
}

// documents are the files that all archives have: licence, changes, manual pages and completions, as this machine's own program tells them.
func documents(work string) ([]file, error) {
	program := filepath.Join(work, "gossamer")
	if _, err := command("", []string{"CGO_ENABLED=0"}, "go", "build", "-o", program, "./tools/gossamer"); err != nil {
		return nil, err
	}
	var files []file
	for _, name := range []string{"LICENSE", "CHANGELOG.md"} {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name, 0o644, data})
	}
	add := func(name string, args ...string) error {
		text, err := command("", nil, program, args...)
		files = append(files, file{name, 0o644, []byte(text)})
		return err
	}
	for _, c := range []struct{ name, shell string }{{"gossamer", "bash"}, {"_gossamer", "zsh"}, {"gossamer.fish", "fish"}} {
		if err := add("completions/"+c.name, "completion", c.shell); err != nil {
			return nil, err
		}
	}
	page, err := command("", nil, program, "man")
	if err != nil {
		return nil, err
	}
	files = append(files, file{"man/gossamer.1", 0o644, []byte(page)})
	_, list, _ := strings.Cut(page, ".SH COMMANDS\n")
	for line := range strings.Lines(list) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), ".B "); ok {
			if err := add("man/gossamer-"+name+".1", "man", name); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// fill fills a template.
func fill(name string, data any) ([]byte, error) {
	t, err := template.New(name).Option("missingkey=error").ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, data)
	return out.Bytes(), err
}

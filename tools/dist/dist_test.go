package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var releaseTime = time.Unix(1_700_000_000, 0).UTC()

// What is in an archive depends on neither its place nor the clock, and comes out as it went in.
func TestArchives(t *testing.T) {
	files := []file{{"gossamer", 0o755, []byte("program")}, {"man/gossamer.1", 0o644, []byte("page")}}
	for _, name := range []string{"a.tar.gz", "a.zip"} {
		var written [2][]byte
		for i := range written {
			path := filepath.Join(t.TempDir(), name)
			if err := writeArchive(path, "folder", files, releaseTime); err != nil {
				t.Fatal(err)
			}
			var err error
			if written[i], err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(written[0], written[1]) {
			t.Errorf("%s: two archives of the same files differ", name)
		}
		got := readTar
		if strings.HasSuffix(name, ".zip") {
			got = readZip
		}
		all := got(t, written[0])
		for _, f := range files {
			if g := all["folder/"+f.name]; !bytes.Equal(g.data, f.data) || g.mode != f.mode {
				t.Errorf("%s: %s is %q with mode %v", name, f.name, g.data, g.mode)
			}
		}
	}
}

func readTar(t *testing.T, data []byte) map[string]file {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]file{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[h.Name] = file{h.Name, h.FileInfo().Mode(), data}
	}
}

func readZip(t *testing.T, data []byte) map[string]file {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]file{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name] = file{f.Name, f.Mode(), data}
	}
	return all
}

// sha256sum accepts the list.
func TestSums(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.zip", "npm/b.tgz"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeSums(dir); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(sums), "\n"); lines != 2 || !strings.Contains(string(sums), "  npm/b.tgz\n") {
		t.Errorf("%s", sums)
	}
	if _, err := exec.LookPath("sha256sum"); err != nil {
		t.Skip("there is no sha256sum")
	}
	if _, err := command(dir, nil, "sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"); err != nil {
		t.Error(err)
	}
}

func TestGlibc(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{{"2.35", "2.4", true}, {"2.4", "2.35", false}, {"2.35", "2.35", false}, {"2.2.5", "2.2", true}, {"2.2", "", true}, {"", "2.2", false}} {
		if got := newer(tt.a, tt.b); got != tt.want {
			t.Errorf("newer(%q, %q) = %v", tt.a, tt.b, got)
		}
	}
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	if version, err := glibc(target{OS: "linux"}, shell); err == nil && !newer(version, "2.2") {
		t.Errorf("bash needs glibc %q", version)
	}
}

// TestOldGlibc builds the programs without cgo for Linux: they run on systems that have been old for years, and are linked to no other library.
func TestOldGlibc(t *testing.T) {
	if testing.Short() {
		t.Skip("-short builds no programs")
	}
	t.Chdir("../..")
	for _, target := range targets("linux", "amd64") {
		if target.OS != "linux" || target.GPU {
			continue
		}
		t.Run(target.name(), func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "gossamer")
			if err := compile(target, program); err != nil {
				t.Fatal(err)
			}
			version, err := glibc(target, program)
			if err != nil || newer(version, "2.28") {
				t.Errorf("it needs glibc %q, %v", version, err)
			}
			f, err := elf.Open(program)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			libraries, err := f.ImportedLibraries()
			for _, l := range libraries {
				if !slices.Contains([]string{"libc.so.6", "libdl.so.2", "libpthread.so.0"}, l) {
					t.Errorf("it is linked to %s", l)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTargets: one machine builds for every platform, with cgo for its own, and each archive's README says how the program comes by a GPU.
func TestTargets(t *testing.T) {
	var names []string
	for _, target := range targets("linux", "amd64") {
		names = append(names, target.name())
		readme, err := fill("readme.md", struct {
			*release
			*build
		}{&release{Version: "1.2.3", Dawn: "4.5.6"}, &build{target: target}})
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "GPU through WebGPU where there is one", false: "GOSSAMER_DAWN_ANY=1"}[target.GPU]
		if target.Library() != "" {
			want = "npm pack webgpu@4.5.6\n    tar -xzOf webgpu-4.5.6.tgz package/dist/linux-"
		}
		if !strings.Contains(string(readme), want) {
			t.Errorf("%s: the README has no %q:\n%s", target.name(), want, readme)
		}
	}
	if want := "linux-amd64 linux-amd64-portable linux-arm64 darwin-amd64 darwin-arm64 windows-amd64"; strings.Join(names, " ") != want {
		t.Errorf("targets are %q", names)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(string(makefile), "DAWN_VERSION := ")
	version, _, _ = strings.Cut(version, "\n")
	library, err := os.ReadFile("../../runtime/gpu/dawn/library.go")
	if err != nil || !strings.Contains(string(library), "webgpu "+version+" for linux-arm64") {
		t.Errorf("programs do not know the library of webgpu %q: %v", version, err)
	}
}

// Paths as Rust leaves them in a program, and a path of the same form that no registry gave.
func TestCrates(t *testing.T) {
	program := []byte("\x00/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/ash-0.38.0+1.3.281/src/lib.rs\x00" +
		"/registry/src/index.crates.io-1949cf8c6b5b557f/bit-set-0.9.1/src/lib.rs/registry/src/index.crates.io-1949cf8c6b5b557f/bit-set-0.9.1/src/a.rs" +
		"/rustc/01f6ddf7588f42ae2d7eb0a2f21d44e8e96674cf/library/std/src/io.rs /home/ex-1.0.0/src/")
	var got []string
	for _, c := range crates(program) {
		got = append(got, c.purl())
	}
	want := "pkg:cargo/ash@0.38.0+1.3.281 pkg:cargo/bit-set@0.9.1 pkg:generic/rust-std@01f6ddf7588f42ae2d7eb0a2f21d44e8e96674cf pkg:generic/wgpu-native@"
	if strings.Join(got, " ") != want {
		t.Errorf("%q", got)
	}
	if got := crates([]byte("a program in Go")); got != nil {
		t.Errorf("%v", got)
	}
}

// The parts of a program: this test's own are those of Go.
func TestLinked(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parts, err := linked(own)
	if err != nil {
		t.Fatal(err)
	}
	text := string(notice([]byte("Own notice\n"), parts))
	for _, want := range []string{"Own notice", "  std 1.", "tiktoken-go-loader", "The Go Authors", "MIT License"} {
		if !strings.Contains(text, want) {
			t.Errorf("the notice does not contain %q", want)
		}
	}
	b := &build{target: target{OS: "linux", Arch: "amd64", GPU: true}, Folder: "gossamer-1-linux-amd64", Archive: "gossamer-1-linux-amd64.tar.gz",
		SHA256: strings.Repeat("0", 64)}
	doc := sbom(b, "1", parts, releaseTime)
	packages := map[string]bool{doc.SPDXID: true}
	for _, p := range doc.Packages {
		if packages[p.SPDXID] {
			t.Errorf("%s twice", p.SPDXID)
		}
		packages[p.SPDXID] = true
	}
	related := map[string]bool{}
	for _, r := range doc.Relationships {
		if !packages[r.SpdxElementID] || !packages[r.RelatedSpdxElement] {
			t.Errorf("%+v is of packages that are not there", r)
		}
		related[r.RelatedSpdxElement] = true
	}
	if len(related) != len(parts)+1 {
		t.Errorf("%d of %d parts are related", len(related), len(parts)+1)
	}
}

// releaseFiles makes what follows the archives, without building programs.
func releaseFiles(t *testing.T) (*release, []*build) {
	t.Helper()
	t.Chdir("../..")
	r := &release{Version: "1.2.3", URL: "https://example.org/v1.2.3", time: releaseTime, out: t.TempDir()}
	var builds []*build
	for _, target := range targets("linux", "amd64") {
		b := &build{target: target, Folder: "gossamer-" + target.OS, Archive: "gossamer-" + target.name(),
			SHA256: fmt.Sprintf("%064x", len(builds))}
		b.files = []file{{b.Executable(), 0o755, []byte("#!/bin/sh\necho \"started $1\"\nexit 7\n")}, {"man/gossamer.1", 0o644, []byte("page")}}
		builds = append(builds, b)
	}
	return r, builds
}

func TestManifests(t *testing.T) {
	r, builds := releaseFiles(t)
	if err := r.manifests(builds); err != nil {
		t.Fatal(err)
	}
	for name, wants := range map[string][]string{
		"homebrew/gossamer.rb":                    {"on_linux", "on_macos", "on_arm", "/v1.2.3/gossamer-linux-arm64\"", "/v1.2.3/gossamer-darwin-arm64\"", `version "1.2.3"`, builds[0].SHA256},
		"scoop/gossamer.json":                     {`"hash": "` + builds[len(builds)-1].SHA256, "/gossamer-windows-amd64\""},
		"winget/Gossamer.Gossamer.yaml":           {"PackageVersion: 1.2.3"},
		"winget/Gossamer.Gossamer.installer.yaml": {`gossamer-windows\gossamer.exe`, builds[len(builds)-1].SHA256},
	} {
		text, err := os.ReadFile(filepath.Join(r.out, "manifests", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q:\n%s", name, want, text)
			}
		}
		if strings.HasSuffix(name, ".json") && !json.Valid(text) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// The root of a package has the service with the path of the packaged program.
func TestLayOut(t *testing.T) {
	r, builds := releaseFiles(t)
	if err := layOut(r.out, builds[0].files, r.time); err != nil {
		t.Fatal(err)
	}
	unit, err := os.ReadFile(filepath.Join(r.out, "usr/lib/systemd/system/gossamer.service"))
	if err != nil || !strings.Contains(string(unit), "ExecStart=/usr/bin/gossamer serve\n") {
		t.Errorf("%s, %v", unit, err)
	}
	for name, mode := range map[string]os.FileMode{
		"usr/bin/gossamer": 0o755, "usr/share/man/man1/gossamer.1": 0o644, "usr/share/doc/gossamer/gossamer.env": 0o644,
	} {
		if info, err := os.Stat(filepath.Join(r.out, name)); err != nil || info.Mode() != mode || !info.ModTime().Equal(r.time) {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// npm installs the package and the one of this platform, and npx starts the program, whose exit status is its own.
func TestNPM(t *testing.T) {
	npx, err := exec.LookPath("npx")
	if err != nil {
		t.Skip("there is no npm")
	}
	r, builds := releaseFiles(t)
	if err := r.npmPackages(builds); err != nil {
		t.Fatal(err)
	}
	platform, err := command("", nil, "node", "-p", "process.platform + '-' + process.arch")
	if err != nil {
		t.Fatal(err)
	}
	platform = strings.TrimSpace(platform)
	if !strings.HasPrefix(platform, "linux-") {
		t.Skip("the program of this test is for Linux")
	}
	dir := t.TempDir()
	npm := filepath.Join(r.out, "npm")
	if _, err := command(dir, nil, "npm", "install", "--offline", "--no-audit", "--no-fund", "--silent",
		filepath.Join(npm, "gossamer-cli-"+platform+"-1.2.3.tgz"), filepath.Join(npm, "gossamer-cli-1.2.3.tgz")); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(npx, "--no-install", "gossamer", "doctor")
	c.Dir = dir
	out, _ := c.CombinedOutput()
	if string(out) != "started doctor\n" || c.ProcessState.ExitCode() != 7 {
		t.Errorf("%q, exit status %d", out, c.ProcessState.ExitCode())
	}
	if err := os.RemoveAll(filepath.Join(dir, "node_modules", "gossamer-cli-"+platform)); err != nil {
		t.Fatal(err)
	}
	c = exec.Command(npx, "--no-install", "gossamer")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "gossamer-cli-"+platform+" is not installed") {
		t.Errorf("%q, %v", out, err)
	}
}

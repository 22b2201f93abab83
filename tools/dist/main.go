// Command dist makes what a release consists of: archives, packages, manifests for package managers, checksums. It publishes nothing.
//
// The same revision and the same Go, C compiler and Node.js give the same files to the byte.
package main

import (
	"embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	gossamer "gossamer/runtime"
)

//go:embed templates
var templates embed.FS

// release is what all files of a release share.
type release struct {
	Version string
	URL     string    // where the files will be, without a slash at the end
	Dawn    string    // version of the npm package with Dawn
	time    time.Time // of all files
	out     string    // directory
	work    string    // directory of what is only needed on the way
	docs    []file    // of every archive
	page    []component
}

func main() {
	out := flag.String("out", "build/dist", "`directory` of the files; it is emptied first")
	url := flag.String("url", "https://example.org/gossamer/v"+gossamer.Version, "`URL` of the directory that will have the files, for manifests")
	dawn := flag.String("dawn", "", "`version` of the npm package webgpu whose Dawn the programs know")
	flag.Parse()
	if err := run(*out, *url, *dawn); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(out, url, dawn string) error {
	if _, err := os.Stat("tools/dist"); err != nil || dawn == "" {
		return errors.New("run it at the root of the repository: make dist")
	}
	r := &release{Version: gossamer.Version, URL: strings.TrimSuffix(url, "/"), Dawn: dawn, out: out, work: filepath.Join(out, ".work")}
	if err := errors.Join(os.RemoveAll(out), os.MkdirAll(r.work, 0o755)); err != nil {
		return err
	}
	var err error
	if r.time, err = revisionTime(); err != nil {
		return err
	}
	if r.page, err = buildPage(filepath.Join(r.work, "page.json")); err != nil {
		return err
	}
	if r.docs, err = documents(r.work); err != nil {
		return err
	}
	var builds []*build
	for _, t := range targets(runtime.GOOS, runtime.GOARCH) {
		b, err := r.build(t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name(), err)
		}
		builds = append(builds, b)
		fmt.Printf("%s: %d bytes\n", b.Archive, b.Size)
	}
	for _, step := range []func([]*build) error{r.systemPackages, r.manifests, r.npmPackages} {
		if err := step(builds); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(r.work); err != nil {
		return err
	}
	return writeSums(out)
}

// revisionTime is SOURCE_DATE_EPOCH or the time of the commit.
func revisionTime() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		commit, err := command("", nil, "git", "log", "-1", "--format=%ct")
		if err != nil {
			return time.Time{}, fmt.Errorf("%w; outside a clone set SOURCE_DATE_EPOCH, in seconds", err)
		}
		text = strings.TrimSpace(commit)
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH=%s is no number of seconds", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// command runs a program in a directory and returns its output.
func command(dir string, environ []string, name string, args ...string) (string, error) {
	c := exec.Command(name, args...)
	c.Dir, c.Env, c.Stderr = dir, slices.Concat(os.Environ(), environ), os.Stderr
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(out), nil
}

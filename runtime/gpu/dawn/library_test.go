//go:build (linux || darwin || windows) && (amd64 || arm64)

package dawn

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"gossamer/runtime/testenv"
)

// library returns the path of the library that make setup-dawn fetches.
func library(t *testing.T) string {
	t.Helper()
	path := filepath.Join(testenv.Root(t), "build", "dawn-native", fileName())
	if _, err := os.Stat(path); err != nil {
		testenv.Missing(t, "there is no library of Dawn: run make setup-dawn")
	}
	return path
}

// loaded is the library, which can't be unloaded, on Chromium's SwiftShader unless another driver is asked for.
var loaded = sync.OnceValues(func() (*Library, error) { return Load(os.Getenv(pathVariable)) })

func device(t *testing.T) *Device {
	t.Helper()
	t.Setenv(pathVariable, library(t))
	if os.Getenv("VK_ICD_FILENAMES") == "" && os.Getenv("VK_DRIVER_FILES") == "" {
		t.Setenv("VK_ICD_FILENAMES", "/usr/lib/chromium/vk_swiftshader_icd.json")
	}
	l, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	adapters, reason, err := l.Adapters()
	if err != nil {
		t.Fatal(err)
	}
	if len(adapters) == 0 {
		testenv.Missing(t, reason)
	}
	d, err := adapters[0].Open(Request{Features: []Feature{ShaderF16, Subgroups}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// refused checks that path is not loaded, and that the error names each of parts.
func refused(t *testing.T, path string, parts ...string) {
	t.Helper()
	_, err := Load(path)
	if err == nil {
		t.Errorf("%s was loaded", path)
		return
	}
	for _, part := range append(parts, path) {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
}

func TestUnknownLibrariesAreRefused(t *testing.T) {
	dir := t.TempDir()
	refused(t, filepath.Join(dir, "missing.so"), "no such file")
	refused(t, dir, "directory")
	text := filepath.Join(dir, "text.so")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	refused(t, text, "none of the builds of Dawn that were tried", hint(), anyVariable+"=1")
	t.Setenv(anyVariable, "1")
	refused(t, text, "can't be used")
	for _, pattern := range []string{"/lib/*/libm.so.6", "/usr/lib/*/libm.so.6"} {
		if found, _ := filepath.Glob(pattern); found != nil {
			refused(t, found[0], "can't be used", "lacks wgpuCreateInstance", "another version")
			break
		}
	}
}

func TestDamagedLibraryIsRefused(t *testing.T) {
	data, err := os.ReadFile(library(t))
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	path := filepath.Join(t.TempDir(), fileName())
	if err := os.WriteFile(path, data, 0o777); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "none of the builds of Dawn that were tried")
}

func TestFind(t *testing.T) {
	t.Setenv(pathVariable, "")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("LocalAppData", t.TempDir())
	if path, err := Find(); err == nil || !strings.Contains(err.Error(), pathVariable) {
		t.Errorf("found %q, %v; want how to get a library", path, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(cache, "gossamer", fileName())
	if err := errors.Join(os.MkdirAll(filepath.Dir(kept), 0o777), os.WriteFile(kept, nil, 0o666)); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(filepath.Dir(program), fileName())
	for _, want := range []string{kept, beside, "elsewhere.so"} {
		switch want {
		case beside:
			if err := os.WriteFile(beside, nil, 0o666); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(beside)
		case "elsewhere.so":
			t.Setenv(pathVariable, want)
		}
		if path, err := Find(); path != want || err != nil {
			t.Errorf("found %q, %v; want %q", path, err, want)
		}
	}
}

// TestGarbageCollections moves bytes through devices while Go collects garbage: C keeps no address of Go's memory, and no callback waits
// for anything once its device is closed.
func TestGarbageCollections(t *testing.T) {
	stop := make(chan struct{})
	var collector sync.WaitGroup
	defer collector.Wait()
	defer close(stop)
	collector.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	for range 5 {
		d := device(t)
		for i := range 20 {
			want := bytes.Repeat([]byte{byte(i + 1)}, 1<<12)
			if got := copied(t, d, want); !bytes.Equal(got, want) {
				t.Fatalf("read %d, wrote %d", got[0], want[0])
			}
		}
		d.Close()
		if _, lost := <-d.Lost(); lost {
			t.Error("a closed device is told as lost")
		}
		if n := len(d.library.callbacks.expected); n != 0 {
			t.Errorf("%d callbacks are expected after Close", n)
		}
	}
}

// copied writes p to one buffer and reads it from another.
func copied(t *testing.T, d *Device, p []byte) []byte {
	t.Helper()
	n := int64(len(p))
	buffers := make([]Buffer, 2)
	for i, usage := range []Usage{Storage | CopySrc | CopyDst, MapRead | CopyDst} {
		b, err := d.NewBuffer("bytes", n, usage)
		if err != nil {
			t.Fatal(err)
		}
		defer d.ReleaseBuffer(b)
		buffers[i] = b
	}
	err := d.Write(buffers[0], 0, p)
	e := d.NewEncoder()
	e.Copy(buffers[1], 0, buffers[0], 0, n)
	err = errors.Join(err, e.Submit())
	future, mapErr := d.Map(buffers[1], n)
	dst := make([]byte, n)
	err = errors.Join(err, mapErr, future.Wait(), d.Read(buffers[1], dst), d.Unmap(buffers[1]))
	if err != nil {
		t.Fatal(err)
	}
	return dst
}

func TestRefusedBuffersAndWrites(t *testing.T) {
	d := device(t)
	defer d.Close()
	var buffers []Buffer
	defer func() {
		for _, b := range buffers {
			d.ReleaseBuffer(b)
		}
	}()
	limit := int64(d.Limits.MaxBufferSize)
	if _, err := d.NewBuffer("too large", limit+4, Storage); err == nil || errors.Is(err, ErrOutOfMemory) {
		t.Errorf("a buffer above the limit: %v", err)
	}
	b, err := d.NewBuffer("small", 16, Storage|CopyDst)
	if err != nil {
		t.Fatal("after a refused one: ", err)
	}
	buffers = append(buffers, b)
	if err := d.Write(b, 0, make([]byte, 32)); err == nil || !strings.Contains(err.Error(), "small") {
		t.Errorf("a write beyond the end: %v; want an error that names the buffer", err)
	}
	if err := d.Write(b, 0, make([]byte, 16)); err != nil {
		t.Error("after a refused write: ", err)
	}
}

func TestMissingFileIsNamed(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

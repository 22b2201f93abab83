package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The newest glibc that a release may need: with cgo that of Debian 12 and Ubuntu 22.04, without that of Debian 10 and RHEL 8. The linker takes
// for each function the version that the building machine's glibc has, so that a newer machine would raise it.
const (
	newestGlibc      = "2.35"
	newestWithoutCgo = "2.28"
)

// oldFunctions are those that programs without cgo call to load libraries, and that glibc has had from its beginnings.
func oldFunctions() []string {
	return []string{
		"abort", "dlclose", "dlerror", "dlopen", "dlsym", "free", "malloc", "nanosleep", "pthread_attr_destroy", "pthread_attr_getstacksize",
		"pthread_attr_init", "pthread_cond_broadcast", "pthread_create", "pthread_detach", "pthread_mutex_lock", "pthread_mutex_unlock",
		"pthread_setspecific", "pthread_sigmask", "setenv", "sigfillset", "unsetenv",
	}
}

// glibc returns the oldest glibc that an executable runs with; empty if it needs none.
func glibc(t target, path string) (string, error) {
	if t.OS != "linux" {
		return "", nil
	}
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	limit := newestGlibc
	if !t.GPU {
		limit = newestWithoutCgo
	}
	if f.SectionByType(elf.SHT_GNU_VERNEED) == nil {
		return unversioned(f)
	}
	needs, err := f.DynamicVersionNeeds()
	if err != nil {
		return "", err
	}
	newest := ""
	for _, library := range needs {
		for _, need := range library.Needs {
			version, ok := strings.CutPrefix(need.Dep, "GLIBC_")
			if ok && need.Flags&elf.VER_FLG_WEAK == 0 && newer(version, newest) {
				newest = version
			}
		}
	}
	if newer(newest, limit) {
		return "", fmt.Errorf("it needs glibc %s, and releases may need %s: build it on an older system", newest, limit)
	}
	return newest, nil
}

// unversioned is glibc of an executable that asks for no versions, as Go's linker makes them: nothing, or functions that glibc has had for long.
func unversioned(f *elf.File) (string, error) {
	symbols, err := f.ImportedSymbols()
	if errors.Is(err, elf.ErrNoSymbols) || err == nil && len(symbols) == 0 { // it is linked statically
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, s := range symbols {
		if !slices.Contains(oldFunctions(), s.Name) {
			return "", fmt.Errorf("it needs %s, which is not known to be in glibc %s", s.Name, newestWithoutCgo)
		}
	}
	return newestWithoutCgo, nil
}

// newer compares versions: numbers with dots between them.
func newer(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return m > n
		}
	}
	return len(x) > len(y)
}

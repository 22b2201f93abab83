package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// newestGlibc is the newest glibc that a release may need: that of Debian 12 and Ubuntu 22.04. The linker takes for each function the version
// that the building machine's glibc has, so that a newer machine would raise it.
const newestGlibc = "2.35"

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
	needs, err := f.DynamicVersionNeeds()
	if errors.Is(err, elf.ErrNoSymbols) { // it is linked statically
		return "", nil
	}
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
	if newer(newest, newestGlibc) {
		return "", fmt.Errorf("it needs glibc %s, and releases may need %s: build it on an older system", newest, newestGlibc)
	}
	return newest, nil
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

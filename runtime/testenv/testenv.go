// Package testenv says what tests may expect of the machine they run on.
package testenv

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// CI reports whether this machine checks changes. It must have everything that tests need.
func CI() bool {
	ci := os.Getenv("CI")
	return ci != "" && ci != "false"
}

// Missing ends t, which lacks what is named: by a skip, or on a machine that checks changes by a failure.
func Missing(t testing.TB, what any) {
	t.Helper()
	if CI() {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Root is the repository's directory.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("testenv: no go.mod above the test's directory")
		}
		dir = parent
	}
}

// Node is for tests that run other programs in Node.js or in a browser. It makes sure that node and the given files, by their paths
// below the repository's root, are there, and returns the root. With -short t is skipped: the inner loop starts no other program.
func Node(t testing.TB, files ...string) (root string) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short starts no other program")
	}
	if _, err := exec.LookPath("node"); err != nil {
		Missing(t, "node is missing: install Node.js 20 or newer")
	}
	root = Root(t)
	for _, file := range files {
		if _, err := os.Stat(filepath.Join(root, file)); errors.Is(err, fs.ErrNotExist) {
			Missing(t, file+" is missing: run make setup-test")
		}
	}
	return root
}

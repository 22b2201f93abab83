package testenv

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the examples in testdata/ that the tests of web/ read, instead of comparing them")

// Examples compares text with a file below testdata/ of the repository: examples of a rule that Go and TypeScript share, written by Go
// (with -update) and read by the tests of both.
func Examples(t testing.TB, name string, text []byte) {
	t.Helper()
	file := filepath.Join(Root(t), "testdata", filepath.FromSlash(name))
	if *update {
		if err := os.WriteFile(file, text, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(old, text) {
		t.Errorf("testdata/%s says otherwise: if the change is right, run this test with -update and let web/ follow\n%s", name, text)
	}
}

// ExampleLines compares a JSON array, an example a line; see Examples.
func ExampleLines[T any](t testing.TB, name string, examples []T) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for i, e := range examples {
		b.WriteString([]string{"[\n  ", ",\n  "}[min(i, 1)])
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
		b.Truncate(b.Len() - 1) // Encode ends with a line break
	}
	b.WriteString("\n]\n")
	Examples(t, name, b.Bytes())
}

package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"testing"
)

// TestCommittedFileIsCurrent compares what is packed, not its compressed form, which may change with compress/flate.
func TestCommittedFileIsCurrent(t *testing.T) {
	want, err := pack()
	if err != nil {
		t.Fatal(err)
	}
	const name = "../../runtime/tokenizer/o200k/o200k.bin.gz"
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what tools/vocab makes: run go generate ./runtime/tokenizer/o200k", name)
	}
}

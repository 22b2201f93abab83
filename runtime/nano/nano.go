// Package nano carries gossamer-nano, a gpt-oss of 2.6 million parameters that speaks harmony and reasons before it answers. It is
// trained from scratch on made-up dialogues; README.md says what it can do and how well.
package nano

import (
	"archive/zip"
	_ "embed"
	"fmt"
	"io/fs"
	"strings"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/safetensors"
)

//go:generate make -C ../.. nano

// packed is the checkpoint's directory. Both tables of the 201,088 tokens repeat one row for all tokens that the model does not
// know, so that 104 MB become less than 3; its shards are unpacked one after the other while they are read.
//
//go:embed nano.zip
var packed string

// FS returns the checkpoint's directory in Hugging Face's layout.
func FS() (fs.FS, error) {
	r, err := zip.NewReader(strings.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, fmt.Errorf("nano: open the archive: %w", err)
	}
	return r, nil
}

// Checkpoint opens the checkpoint.
func Checkpoint() (*checkpoint.Checkpoint, error) {
	fsys, err := FS()
	if err != nil {
		return nil, err
	}
	return safetensors.Open(fsys, "the built-in archive")
}

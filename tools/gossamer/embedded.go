package main

import (
	"io/fs"

	"gossamer/runtime/nano"
)

// defaultModel is the name of the built-in model.
const defaultModel = "nano"

// embeddedModels returns the built-in model by its name, if that is what is asked for.
func embeddedModels(name string) (map[string]fs.FS, error) {
	if name != defaultModel {
		return nil, nil
	}
	fsys, err := nano.FS()
	if err != nil {
		return nil, err
	}
	return map[string]fs.FS{name: fsys}, nil
}

// Package safetensors opens checkpoints of safetensors files, as gpt-oss is published: Hugging Face's (config.json beside
// model.safetensors, or beside shards and model.safetensors.index.json), or OpenAI's original ones (with a config.json and tensor
// names of their own, queries, keys and values in one tensor), also in the folder original/ of a Hugging Face repository. Opening
// reads the headers only and checks that every tensor of the configuration is there with its exact type and shape.
package safetensors

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/gptoss"
)

// ConfigName is the file that describes the model.
const ConfigName = "config.json"

const (
	generationName = "generation_config.json"
	originalDir    = "original"
)

// ErrNone says that there are no safetensors files.
var ErrNone = errors.New("no " + suffix + " file")

// Open opens the checkpoint at the root of a file system, which must stay usable as long as the Checkpoint is used, or the one in
// its folder original/ where only that holds weights. No file stays open. where names the place in messages.
func Open(fsys fs.FS, where string) (*checkpoint.Checkpoint, error) {
	files, err := listFiles(fsys)
	if err != nil {
		return nil, err
	}
	in, folder := fsys, ""
	if len(files.names) == 0 {
		folder = originalDir
		if sub, err := fs.Sub(fsys, originalDir); err == nil {
			in = sub
		}
		if files, err = listFiles(in); err != nil {
			return nil, err
		}
	}
	if len(files.names) == 0 {
		return nil, fmt.Errorf("checkpoint: %w in %s: give a directory with %s and the published weights", ErrNone, where, ConfigName)
	}
	config, err := readConfig(in)
	if err != nil {
		return nil, err
	}
	inv, err := readInventory(in, files)
	if err != nil {
		return nil, err
	}
	segments, notes, err := inv.locate(config)
	if err != nil {
		return nil, err
	}
	d := checkpoint.Description{
		Config: config, Segments: segments, Source: checkpoint.FromFS(fsys), Plain: true, Notes: notes,
	}
	for _, name := range files.names {
		d.Files = append(d.Files, path.Join(folder, name))
	}
	return checkpoint.New(d), nil
}

// readConfig reads config.json and, if it is there, generation_config.json.
func readConfig(fsys fs.FS) (*gptoss.Config, error) {
	data, err := checkpoint.ReadSmall(fsys, ConfigName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("checkpoint: %s is missing: download it into the directory of the weights", ConfigName)
	}
	if err != nil {
		return nil, err
	}
	config, err := gptoss.ParseConfig(data)
	if err != nil {
		return nil, err
	}
	data, err = checkpoint.ReadSmall(fsys, generationName)
	if errors.Is(err, fs.ErrNotExist) {
		return config, nil
	}
	if err != nil {
		return nil, err
	}
	ids, err := gptoss.ParseGenerationConfig(data)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if !slices.Contains(config.EOS, id) {
			config.EOS = append(config.EOS, id)
		}
	}
	if err := config.Validate(); err != nil { // the new ids against the vocabulary
		return nil, err
	}
	return config, nil
}

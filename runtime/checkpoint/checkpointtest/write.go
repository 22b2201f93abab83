// Package checkpointtest writes checkpoints with random weights, for tests on configurations that nobody publishes.
package checkpointtest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gossamer/runtime/checkpoint/random"
	"gossamer/runtime/gptoss"
)

// Options choose the form of a checkpoint.
type Options struct {
	Shards   int  // number of safetensors files; with more than one there is an index. 0 means 1
	Original bool // OpenAI's original layout instead of Hugging Face's
}

// pieceBytes is how much is generated and written at a time.
const pieceBytes = 4 << 20

// fileTensor is a tensor as a file stores it: one of the model's, or query, key and value in the original layout.
type fileTensor struct {
	name  string
	parts []gptoss.TensorSpec // one after the other along the first dimension
}

func (t fileTensor) bytes() int64 {
	n := int64(0)
	for _, p := range t.parts {
		n += p.Bytes()
	}
	return n
}

// Write makes a checkpoint with random weights in dir, which is created if need be and must not hold one already. Shards are
// numbered as the published ones: Hugging Face's from 0 to the number after "of", OpenAI's from 1.
func Write(dir string, c *gptoss.Config, seed uint64, o Options) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if old, err := filepath.Glob(filepath.Join(dir, "*.safetensors")); err != nil || len(old) > 0 {
		return errors.Join(err, fmt.Errorf("checkpointtest: %s holds a checkpoint already: give an empty directory", dir))
	}
	shards, err := split(fileTensors(c, o.Original), max(o.Shards, 1))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("checkpointtest: %w", err)
	}
	if err := writeConfigs(dir, c, o.Original); err != nil {
		return err
	}
	weightMap, total := map[string]string{}, int64(0)
	for i, tensors := range shards {
		name := "model.safetensors"
		switch {
		case len(shards) == 1:
		case o.Original:
			name = fmt.Sprintf("model--%05d-of-%05d.safetensors", i+1, len(shards))
		default:
			name = fmt.Sprintf("model-%05d-of-%05d.safetensors", i, len(shards)-1)
		}
		if err := writeFile(filepath.Join(dir, name), c, tensors, seed); err != nil {
			return fmt.Errorf("checkpointtest: %w", err)
		}
		for _, t := range tensors {
			weightMap[t.name] = name
			total += t.bytes()
		}
	}
	if len(shards) == 1 {
		return nil
	}
	index, err := json.MarshalIndent(map[string]any{"metadata": map[string]any{"total_size": total}, "weight_map": weightMap}, "", "  ")
	return writeJSON(dir, "model.safetensors.index.json", index, err)
}

// fileTensors lists what the files store, in the order of the forward pass.
func fileTensors(c *gptoss.Config, original bool) []fileTensor {
	var ts []fileTensor
	at := map[string]int{}
	for _, spec := range c.Tensors() {
		name := spec.Name
		if original {
			name = spec.OriginalName()
		}
		if i, ok := at[name]; ok {
			ts[i].parts = append(ts[i].parts, spec)
			continue
		}
		at[name] = len(ts)
		ts = append(ts, fileTensor{name, []gptoss.TensorSpec{spec}})
	}
	return ts
}

// split divides tensors into n groups of about the same size.
func split(ts []fileTensor, n int) ([][]fileTensor, error) {
	if n > len(ts) {
		return nil, fmt.Errorf("checkpointtest: %d shards for %d tensors: ask for fewer", n, len(ts))
	}
	total := int64(0)
	for _, t := range ts {
		total += t.bytes()
	}
	shards := make([][]fileTensor, n)
	shard, done := 0, int64(0)
	for i, t := range ts {
		// A shard ends at its part of the bytes, or where each later one would otherwise get no tensor.
		if len(shards[shard]) > 0 && shard < n-1 && (done >= total/int64(n)*int64(shard+1) || len(ts)-i < n-shard) {
			shard++
		}
		shards[shard] = append(shards[shard], t)
		done += t.bytes()
	}
	return shards, nil
}

func writeConfigs(dir string, c *gptoss.Config, original bool) error {
	if original {
		data, err := OriginalConfigJSON(c)
		return writeJSON(dir, "config.json", data, err)
	}
	data, err := ConfigJSON(c)
	if err := writeJSON(dir, "config.json", data, err); err != nil {
		return err
	}
	data, err = GenerationConfigJSON(c)
	return writeJSON(dir, "generation_config.json", data, err)
}

func writeJSON(dir, name string, data []byte, err error) error {
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name), append(data, '\n'), 0o666); err != nil {
		return fmt.Errorf("checkpointtest: %w", err)
	}
	return nil
}

// writeFile writes one safetensors file piece by piece.
func writeFile(path string, c *gptoss.Config, tensors []fileTensor, seed uint64) (err error) {
	header, err := encodeHeader(tensors)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(header); err != nil {
		return err
	}
	buf := make([]byte, pieceBytes)
	for _, t := range tensors {
		for _, spec := range t.parts {
			for off := int64(0); off < spec.Bytes(); off += pieceBytes {
				p := buf[:min(pieceBytes, spec.Bytes()-off)]
				random.Fill(p, c, spec, seed, off)
				if _, err := f.Write(p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// encodeHeader is the start of a safetensors file: the length of the JSON object that follows, padded with spaces so that the
// data is aligned to 8 bytes.
func encodeHeader(tensors []fileTensor) ([]byte, error) {
	type entry struct {
		DType   gptoss.DType `json:"dtype"`
		Shape   []int        `json:"shape"`
		Offsets [2]int64     `json:"data_offsets"`
	}
	entries, off := map[string]entry{}, int64(0)
	for _, t := range tensors {
		shape := append([]int{0}, t.parts[0].Shape[1:]...)
		for _, p := range t.parts {
			shape[0] += p.Shape[0]
		}
		entries[t.name] = entry{t.parts[0].DType, shape, [2]int64{off, off + t.bytes()}}
		off += t.bytes()
	}
	text, err := json.Marshal(entries)
	if err != nil {
		return nil, err
	}
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), nil
}

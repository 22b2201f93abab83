// Randmodel writes a gpt-oss checkpoint with random weights, the same on every machine for the same configuration and seed.
//
//	go run ./tools/randmodel -preset 20b -layers 2 -out build/random
package main

import (
	"flag"
	"fmt"
	"os"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/gptoss"
)

func main() {
	var (
		config   = flag.String("config", "", "take the configuration from this `file`, a config.json of either form")
		preset   = flag.String("preset", "default", "or one of these `names`: default (small), 20b, 120b")
		layers   = flag.Int("layers", 0, "change the number of layers")
		seed     = flag.Uint64("seed", 1, "seed of the weights")
		out      = flag.String("out", "", "write to this `directory`")
		shards   = flag.Int("shards", 1, "number of safetensors files")
		original = flag.Bool("original", false, "write OpenAI's original layout instead of Hugging Face's")
	)
	flag.Parse()
	if *out == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "randmodel: want -out DIRECTORY and no other arguments")
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*config, *preset, *layers, *seed, *out, checkpointtest.Options{Shards: *shards, Original: *original}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(config, preset string, layers int, seed uint64, out string, o checkpointtest.Options) error {
	c, err := readConfig(config, preset)
	if err != nil {
		return err
	}
	if layers > 0 {
		checkpointtest.SetLayers(c, layers)
	}
	return checkpointtest.Write(out, c, seed, o)
}

func readConfig(config, preset string) (*gptoss.Config, error) {
	if config == "" {
		return checkpointtest.Preset(preset)
	}
	data, err := os.ReadFile(config)
	if err != nil {
		return nil, fmt.Errorf("randmodel: %w", err)
	}
	return gptoss.ParseConfig(data)
}

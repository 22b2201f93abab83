package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"gossamer/runtime/weights"
)

func packCommand() command {
	return command{
		name:  "pack",
		args:  "SRC DST | --verify SRC",
		short: "turn a checkpoint into chunks that any static host serves, or check such chunks",
		long: `SRC is a directory with a published checkpoint, in Hugging Face's layout or OpenAI's original one, or a GGUF file. DST becomes a packed model:
manifest.json, and files of at most 24 MiB, each named by its SHA-256. An interrupted run is continued by running it again.

--manifest-only writes only manifest.json, which refers to ranges of the safetensors files: below --base-url, or beside the
manifest. Put it beside them, on any mirror, and loading checks every byte.

--verify reads a packed model and compares every chunk with its hash.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			p := packer{}
			fs.BoolVar(&p.manifestOnly, "manifest-only", false, "leave the files where they are")
			fs.StringVar(&p.baseURL, "base-url", "", "with --manifest-only: the `URL` of the directory with the files")
			fs.BoolVar(&p.verify, "verify", false, "check a packed model")
			fs.BoolVar(&p.json, "json", false, "report as JSON")
			return p.run
		},
	}
}

type packer struct {
	manifestOnly bool
	baseURL      string
	verify       bool
	json         bool
}

// run chooses what to do.
func (p *packer) run(ctx context.Context, env *env, args []string) error {
	want := 2
	if p.verify {
		want = 1
	}
	switch {
	case len(args) != want && p.verify:
		return usagef("--verify wants SRC, got %d arguments", len(args))
	case len(args) != want:
		return usagef("want SRC and DST, got %d arguments", len(args))
	case p.verify && p.manifestOnly:
		return usagef("--verify and --manifest-only exclude each other")
	case p.baseURL != "" && !p.manifestOnly:
		return usagef("--base-url is for --manifest-only")
	}
	c, err := weights.OpenDir(args[0])
	if err != nil {
		return err
	}
	for _, note := range c.Notes() {
		fmt.Fprintf(env.stderr, "note: %s\n", note)
	}
	bar := newProgress(env.stderr)
	defer bar.clear()
	if p.verify {
		return p.check(ctx, env, bar, c)
	}
	pack := func() (weights.PackReport, error) { return weights.Pack(ctx, c, args[1], bar.work) }
	if p.manifestOnly {
		pack = func() (weights.PackReport, error) {
			return weights.PackInPlace(ctx, c, args[1], p.baseURL, bar.work)
		}
	}
	report, err := pack()
	if err != nil {
		return err
	}
	bar.clear()
	if p.json {
		return writeJSON(env.stdout, report)
	}
	_, err = fmt.Fprintf(env.stdout, "%d tensors, %s, in %d chunks (%d new, %d compressed), %s\n", report.Tensors, megabytes(report.RawBytes),
		report.Chunks, report.Written, report.Zstd, megabytes(report.Bytes))
	return err
}

// check verifies a packed model.
func (p *packer) check(ctx context.Context, env *env, bar *progress, c *weights.Checkpoint) error {
	report := struct {
		Chunks int   `json:"chunks"`
		Bytes  int64 `json:"bytes"`
		Bad    []any `json:"bad"`
	}{Bad: []any{}}
	err := c.Verify(ctx, func(k weights.Chunk, err error) {
		report.Chunks++
		report.Bytes += k.Bytes
		if err != nil {
			report.Bad = append(report.Bad, struct {
				weights.Chunk
				Error string `json:"error"`
			}{k, err.Error()})
		}
	}, bar.work)
	bar.clear()
	if p.json && report.Chunks > 0 {
		if err := writeJSON(env.stdout, report); err != nil {
			return err
		}
	}
	if err != nil || p.json {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "all %d chunks, %s, are right\n", report.Chunks, megabytes(report.Bytes))
	return err
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// work shows progress with the rate and the time left.
func (p *progress) work(w weights.Progress) {
	text := fmt.Sprintf("%s: %s of %s", w.Phase, megabytes(w.BytesDone), megabytes(w.BytesTotal))
	if w.Rate > 0 {
		text += fmt.Sprintf(", %s/s, %s left", megabytes(int64(w.Rate)), w.ETA.Round(time.Second))
	}
	p.show(text)
}

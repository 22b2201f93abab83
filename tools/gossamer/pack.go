package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/checkpoint/gguf"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/hub"
	"gossamer/runtime/nano"
	"gossamer/runtime/tokenizer/o200k"
)

func packCommand() command {
	return command{
		name:  "pack",
		args:  "SRC DST | --verify SRC",
		short: "turn a checkpoint into chunks for static hosts, or check such chunks",
		long: `SRC is a directory with a published checkpoint, in Hugging Face's layout or OpenAI's original one, a GGUF file, the URL of a packed
model, the name of one that was pulled, or the built-in model's. DST becomes a packed model: manifest.json, and files of at most 24 MiB, each named by its SHA-256. An interrupted
run is continued by running it again.

--manifest-only writes only manifest.json, which refers to ranges of the safetensors files: below --base-url, or beside the
manifest. Put it beside them, on any mirror, and loading checks every byte. A manifest that lies elsewhere may name public https hosts only.

--to gguf writes a GGUF file for llama.cpp, without loss.

--verify reads a packed model, a directory or a URL, and compares every chunk with its hash.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			p := packer{}
			fs.StringVar(&p.to, "to", "chunks", "what to write, chunks or gguf")
			fs.BoolVar(&p.manifestOnly, "manifest-only", false, "leave the files where they are")
			fs.StringVar(&p.baseURL, "base-url", "", "with --manifest-only: the `URL` of the directory with the files")
			fs.BoolVar(&p.verify, "verify", false, "check a packed model")
			fs.BoolVar(&p.json, "json", false, "report as JSON")
			return p.run
		},
	}
}

type packer struct {
	to           string
	manifestOnly bool
	baseURL      string
	verify       bool
	json         bool
}

// check refuses command lines that make no sense.
func (p *packer) check(args []string) error {
	switch {
	case p.verify && len(args) != 1:
		return usagef("--verify wants SRC, got %d arguments", len(args))
	case !p.verify && len(args) != 2:
		return usagef("want SRC and DST, got %d arguments", len(args))
	case p.to != "chunks" && p.to != "gguf":
		return usagef("--to is %q, want chunks or gguf", p.to)
	case p.verify && (p.manifestOnly || p.to == "gguf"), p.manifestOnly && p.to == "gguf":
		return usagef("--verify, --manifest-only and --to gguf exclude each other")
	case p.baseURL != "" && !p.manifestOnly:
		return usagef("--base-url is for --manifest-only")
	}
	return nil
}

func (p *packer) run(ctx context.Context, env *env, args []string) error {
	if err := p.check(args); err != nil {
		return err
	}
	src := args[0]
	bar := newProgress(env.stderr)
	defer bar.clear()
	if p.verify {
		return p.verifyChunks(ctx, env, bar, src)
	}
	src, err := located(src)
	if err != nil {
		return err
	}
	c, err := openSource(ctx, env, src)
	if err != nil {
		return err
	}
	for _, note := range c.Notes() {
		fmt.Fprintf(env.stderr, "note: %s\n", note)
	}
	switch {
	case p.to == "gguf":
		return p.writeGGUF(ctx, env, bar, c, src, args[1])
	case p.manifestOnly:
		return p.report(env, bar)(packed.PackInPlace(ctx, c, args[1], p.baseURL, bar.work))
	}
	return p.report(env, bar)(packed.Pack(ctx, c, args[1], bar.work))
}

// located is the path of a model that was pulled, or what was given.
func located(src string) (string, error) {
	if _, err := os.Stat(src); src == defaultModel || !errors.Is(err, fs.ErrNotExist) {
		return src, nil
	}
	n, err := hub.ParseName(src)
	if err != nil || n.Packed() { // opening it says the former better
		return src, nil
	}
	h, err := hub.Open("", slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	m, err := h.Find(n)
	return m.Path, err
}

// openSource opens what is to be packed.
func openSource(ctx context.Context, env *env, src string) (*checkpoint.Checkpoint, error) {
	if src == defaultModel {
		return nano.Checkpoint()
	}
	return detect.Open(ctx, src, detect.Options{Logger: newLogger(env.stderr, false)})
}

func (p *packer) report(env *env, bar *progress) func(packed.PackReport, error) error {
	return func(r packed.PackReport, err error) error {
		bar.clear()
		if err != nil {
			return err
		}
		if p.json {
			return writeJSON(env.stdout, r)
		}
		_, err = fmt.Fprintf(env.stdout, "%d tensors, %s, in %d chunks (%d new, %d compressed), %s\n", r.Tensors, byteCount(r.RawBytes),
			r.Chunks, r.Written, r.Zstd, byteCount(r.Bytes))
		return err
	}
}

// writeGGUF adds the vocabulary, if the model has ours, and the chat template, if the repository has one.
func (p *packer) writeGGUF(ctx context.Context, env *env, bar *progress, c *checkpoint.Checkpoint, src, dst string) error {
	tok, err := o200k.Load()
	if err != nil {
		return err
	}
	o := gguf.Options{Name: filepath.Base(src)}
	if c.Config().Vocab == tok.Vocab() {
		o.Vocabulary = ggufVocabulary(tok)
	} else {
		fmt.Fprintf(env.stderr, "note: the model has %d tokens, not gpt-oss's %d, so the file gets no tokenizer\n", c.Config().Vocab, tok.Vocab())
	}
	template, err := os.ReadFile(filepath.Join(src, "chat_template.jinja"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(src, ".gguf") {
		return err
	}
	o.ChatTemplate = string(template)
	if err := gguf.Write(ctx, c, dst, o, bar.work); err != nil {
		return err
	}
	bar.clear()
	info, err := os.Stat(dst)
	if err != nil {
		return err
	}
	if p.json {
		return writeJSON(env.stdout, map[string]int64{"tensors": int64(len(c.Config().Tensors())), "bytes": info.Size()})
	}
	_, err = fmt.Fprintf(env.stdout, "%s, %s\n", dst, byteCount(info.Size()))
	return err
}

// verifyChunks checks a packed model. All that is wrong is reported. What a server has is checked there, past the cache.
func (p *packer) verifyChunks(ctx context.Context, env *env, bar *progress, src string) error {
	if src == defaultModel {
		return packed.ErrNoHashes
	}
	m, err := detect.OpenPacked(ctx, src, detect.Options{NoCache: true, Logger: newLogger(env.stderr, false)})
	if err != nil {
		return err
	}
	type bad struct {
		packed.Chunk
		Error string `json:"error"`
	}
	report := struct {
		Chunks int   `json:"chunks"`
		Bytes  int64 `json:"bytes"`
		Bad    []bad `json:"bad"`
	}{Bad: []bad{}}
	err = m.Verify(ctx, func(k packed.Chunk, err error) {
		report.Chunks++
		report.Bytes += k.Bytes
		if err != nil {
			report.Bad = append(report.Bad, bad{k, err.Error()})
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
	_, err = fmt.Fprintf(env.stdout, "all %d chunks, %s, are right\n", report.Chunks, byteCount(report.Bytes))
	return err
}

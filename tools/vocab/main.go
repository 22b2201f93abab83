// Command vocab writes the o200k ranks in the form that package tokenizer takes, compressed with gzip.
//
//	go run ./tools/vocab -out runtime/tokenizer/o200k/o200k.bin.gz
//
// The source is o200k_base.tiktoken, as OpenAI publishes it and as module tiktoken-go-loader carries it; nothing is downloaded.
// The tokenizer does without the ranks in text form, because reading 200,000 lines of base64 takes longer than using them.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"os"

	"github.com/pkoukk/tiktoken-go-loader/assets"
)

// sourceHash is the SHA-256 of o200k_base.tiktoken that OpenAI's tiktoken expects (tiktoken_ext/openai_public.py).
const sourceHash = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

func main() {
	out := flag.String("out", "", "file to write, such as runtime/tokenizer/o200k/o200k.bin.gz")
	flag.Parse()
	if *out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(*out); err != nil {
		fmt.Fprintf(os.Stderr, "vocab: %v\n", err)
		os.Exit(1)
	}
}

func write(out string) error {
	packed, err := pack()
	if err != nil {
		return err
	}
	var file bytes.Buffer
	z, err := gzip.NewWriterLevel(&file, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(packed); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(out, file.Bytes(), 0o644)
}

// pack returns one byte per token with its length, in the order of the ranks, then the bytes of all tokens.
func pack() ([]byte, error) {
	source, err := assets.Assets.ReadFile("o200k_base.tiktoken")
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(source); hex.EncodeToString(sum[:]) != sourceHash {
		return nil, fmt.Errorf("o200k_base.tiktoken: sha256 is %x, want %s: check the version of tiktoken-go-loader", sum, sourceHash)
	}
	var lengths, text []byte
	lines := bufio.NewScanner(bytes.NewReader(source))
	for lines.Scan() {
		code, rank, _ := bytes.Cut(lines.Bytes(), []byte(" "))
		if want := fmt.Sprint(len(lengths)); string(rank) != want {
			return nil, fmt.Errorf("o200k_base.tiktoken: rank %q, want %s: ranks must be in order", rank, want)
		}
		token, err := base64.StdEncoding.DecodeString(string(code))
		if err != nil {
			return nil, fmt.Errorf("o200k_base.tiktoken: rank %s: %w", rank, err)
		}
		if len(token) > 255 {
			return nil, fmt.Errorf("o200k_base.tiktoken: rank %s has %d bytes, at most 255 fit", rank, len(token))
		}
		lengths = append(lengths, byte(len(token)))
		text = append(text, token...)
	}
	return append(lengths, text...), lines.Err()
}

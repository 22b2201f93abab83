package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gossamer/runtime/engine"
)

func logitsCommand() command {
	return command{
		name:  "logits",
		short: "write the logits after each of the given tokens, for comparison",
		long: `Writes little-endian float32, [tokens][vocabulary], to the file of --out; with --positions only the rows after those tokens.
Nothing is masked.`,
		setup: func(fs *flag.FlagSet) func(context.Context, *env, []string) error {
			var m modelFlags
			var t tokenFlags
			m.declare(fs)
			t.declare(fs)
			out := fs.String("out", "", "`file` to write; - for standard output")
			positions := fs.String("positions", "", "indices of tokens, comma-separated and ascending, whose rows are written; all if empty")
			return func(ctx context.Context, env *env, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				if *out == "" {
					return usagef("--out is missing")
				}
				if err := m.check(); err != nil {
					return err
				}
				tokens, err := t.read(ctx, env)
				if err != nil {
					return err
				}
				at, err := rowIndices(*positions, len(tokens))
				if err != nil {
					return err
				}
				return writeFile(*out, env.stdout, func(w io.Writer) error {
					e, err := m.open(ctx, env)
					if err != nil {
						return err
					}
					defer e.Close()
					return writeLogits(ctx, w, e.Backend(), tokens, at)
				})
			}
		},
	}
}

// rowIndices reads --positions; empty means all of n.
func rowIndices(list string, n int) ([]int, error) {
	var at []int
	if list == "" {
		for i := range n {
			at = append(at, i)
		}
		return at, nil
	}
	for _, f := range strings.Split(list, ",") {
		i, err := strconv.Atoi(strings.TrimSpace(f))
		if err != nil || i < 0 || i >= n {
			return nil, usagef("--positions: %q is not an index of one of the %d tokens", f, n)
		}
		if len(at) > 0 && i <= at[len(at)-1] {
			return nil, usagef("--positions: %d does not come after %d", i, at[len(at)-1])
		}
		at = append(at, i)
	}
	return at, nil
}

func writeLogits(ctx context.Context, w io.Writer, b engine.Backend, tokens []int32, at []int) error {
	s, err := b.NewSequence()
	if err != nil {
		return err
	}
	defer s.Close()
	rows, ok := s.(engine.RowReader)
	if !ok {
		return fmt.Errorf("the backend %T shows no rows", b)
	}
	out := bufio.NewWriterSize(w, 1<<20)
	buf := make([]byte, 0, 4*b.Config().Vocab)
	if err := rows.ExtendRows(ctx, tokens, at, func(_ int, logits []float32) error {
		buf = buf[:0]
		for _, v := range logits {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		_, err := out.Write(buf)
		return err
	}); err != nil {
		return err
	}
	return out.Flush()
}

// writeFile writes a file that appears only once it is whole; "-" is standard output.
func writeFile(name string, stdout io.Writer, write func(io.Writer) error) error {
	if name == "-" {
		return write(stdout)
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.part")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	if err := errors.Join(write(f), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

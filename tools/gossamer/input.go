package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// maxInput is above any prompt that fits a context.
const maxInput = 64 << 20

// readRegular reads a file that is to be there as a whole: what may never end, or wait for a writer that never comes, is refused.
func readRegular(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // to open a pipe would wait for its writer
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a directory: give a file", name)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is a pipe or a device: give a file that holds what comes from it", name)
	}
	return readLimited(name, f)
}

// readLimited reads no more than maxInput.
func readLimited(name string, r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(data) > maxInput {
		err = fmt.Errorf("%s is longer than %d MiB: give less", name, maxInput>>20)
	}
	return data, err
}

// readNamed reads a file, or standard input for "-".
func readNamed(ctx context.Context, env *env, name string) ([]byte, error) {
	if name == "-" {
		return readAll(ctx, env, "standard input", func() (io.ReadCloser, error) { return io.NopCloser(env.stdin), nil })
	}
	return readAll(ctx, env, name, func() (io.ReadCloser, error) { return os.Open(name) })
}

// readAll reads what name stands for to its end, which may be long in coming: ctx ends the wait, and where nothing comes for a while
// the user is told what is waited for.
func readAll(ctx context.Context, env *env, name string, open func() (io.ReadCloser, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() { // of a read that nobody waits for any more, only the end of the process is the end
		r, err := open()
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer r.Close()
		data, err := readLimited(name, r)
		done <- result{data, err}
	}()
	patience := time.NewTimer(2 * time.Second)
	defer patience.Stop()
	for {
		select {
		case r := <-done:
			return r.data, r.err
		case <-patience.C:
			fmt.Fprintf(env.stderr, "gossamer: waiting for the end of %s\n", name)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// readLines calls f with each line of standard input that is not empty, numbered from 1 and with its line feed; without its text if it
// is longer than most bytes.
func readLines(ctx context.Context, env *env, most int, f func(n int, line []byte, tooLong bool) error) error {
	in := bufio.NewReaderSize(env.reader(ctx), 1<<16)
	for n := 1; ; n++ {
		var line []byte
		tooLong := false
		var err error
		for {
			var piece []byte
			piece, err = in.ReadSlice('\n')
			if tooLong = tooLong || len(line)+len(piece) > most; tooLong {
				line = nil
			} else {
				line = append(line, piece...)
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				break
			}
		}
		if tooLong || len(bytes.TrimSpace(line)) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f(n, line, tooLong); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// reader is standard input; reading it ends with ctx.
func (e *env) reader(ctx context.Context) io.Reader {
	return &interruptible{ctx: ctx, r: e.stdin, pieces: make(chan piece)}
}

// interruptible reads ahead by one piece.
type interruptible struct {
	ctx    context.Context
	r      io.Reader
	pieces chan piece // closed after an error
	rest   piece
	begun  bool
}

type piece struct {
	data []byte
	err  error
}

func (r *interruptible) Read(p []byte) (int, error) {
	if !r.begun {
		r.begun = true
		go r.readAhead()
	}
	for len(r.rest.data) == 0 {
		if r.rest.err != nil {
			return 0, r.rest.err
		}
		select {
		case r.rest = <-r.pieces:
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
	n := copy(p, r.rest.data)
	r.rest.data = r.rest.data[n:]
	return n, nil
}

func (r *interruptible) readAhead() {
	for {
		buf := make([]byte, 1<<16)
		n, err := r.r.Read(buf)
		select {
		case r.pieces <- piece{buf[:n], err}:
		case <-r.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

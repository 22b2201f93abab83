package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"gossamer/runtime/playback"
	"gossamer/runtime/tokenizer/o200k"
)

// recording keeps a file of plays of the replies that a program gives.
type recording struct {
	name     string
	recorder *playback.Recorder
	warn     func(error)

	mu     sync.Mutex
	failed bool // which is told once, and ends it
}

// newRecording makes a file without plays. It may not exist: what is in it could be somebody's only copy.
func newRecording(name string, warn func(error)) (*recording, error) {
	tok, err := o200k.Load()
	if err != nil {
		return nil, err
	}
	r := &recording{name: name, recorder: playback.NewRecorder(tok), warn: warn}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists: remove it, or give --record the name of a new file", name)
	}
	if err != nil {
		return nil, err
	}
	_, err = f.Write(r.recorder.File())
	return r, errors.Join(err, f.Close())
}

// add writes the file with one more reply. A reader finds it whole at any time.
func (r *recording) add(prompt, reply []int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed {
		return
	}
	data, err := r.recorder.Add(prompt, reply)
	if err == nil {
		part := r.name + ".part"
		if err = os.WriteFile(part, data, 0o600); err == nil {
			err = os.Rename(part, r.name)
		}
	}
	if err != nil {
		r.failed = true
		r.warn(err)
	}
}

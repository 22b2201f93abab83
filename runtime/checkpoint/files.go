package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxJSONBytes is above the largest file of this kind that is read, a manifest; it keeps a wrong file from filling memory.
const maxJSONBytes = 8 << 20

// PartExt ends the names of files that are being written.
const PartExt = ".part"

// ReadSmall reads a JSON file.
func ReadSmall(fsys fs.FS, name string) ([]byte, error) {
	f, size, err := OpenRegular(fsys, name)
	if errors.Is(err, errNotRegular) {
		return nil, fmt.Errorf("checkpoint: %s: %w", name, err)
	}
	if err != nil { // of the file system, which names the file
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	defer f.Close()
	if size > maxJSONBytes {
		return nil, fmt.Errorf("checkpoint: %s has %d bytes, at most %d are possible: this is not the published file", name, size, maxJSONBytes)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxJSONBytes+1))
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if len(data) > maxJSONBytes { // it grew
		return nil, fmt.Errorf("checkpoint: %s has more than %d bytes: this is not the published file", name, maxJSONBytes)
	}
	return data, nil
}

// OpenRegular opens a file and returns its size in bytes. Directories, pipes and devices are refused, where the file system can tell
// before it opens them, because opening a pipe waits for its writer.
func OpenRegular(fsys fs.FS, name string) (fs.File, int64, error) {
	if s, ok := fsys.(fs.StatFS); ok {
		if info, err := s.Stat(name); err != nil {
			return nil, 0, err
		} else if !info.Mode().IsRegular() {
			return nil, 0, errNotRegular
		}
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

var errNotRegular = errors.New("this is not a regular file")

// SaveFile writes a file under another name first, so that it is never seen incomplete, even after a crash.
func SaveFile(name string, data []byte) (err error) {
	defer func() { err = WriteError(name, err) }()
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*"+PartExt)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// WriteError says what to do about an error of writing a file; nil if there is none.
func WriteError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("checkpoint: write %s: %w: make room and run this again, what is complete is kept", name, err)
	}
	return fmt.Errorf("checkpoint: write %s: %w", name, err)
}

// RemoveFiles removes the files of a directory that which chooses by their names.
func RemoveFiles(dir string, which func(name string) bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("checkpoint: clear: %w", err)
	}
	for _, e := range entries {
		if which(e.Name()) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("checkpoint: clear: %w", err)
			}
		}
	}
	return nil
}

package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/packed"
)

// The directory has a folder for each model, which is a checkpoint as any other: its files have their published names. recordName says
// what they are and what they were compared with; it is written when all of them are there, so that a model without it is incomplete.
// While a model is downloaded, its files end with ".part", and pendingName is what recordName will be.
const (
	recordName  = "gossamer.json"
	pendingName = "gossamer.pull.json"
	lockDir     = ".locks" // of files whose locks their programs hold; they stay, because a file that is removed locks nobody out
)

// record is what is known of a model in its folder.
type record struct {
	Name     string    `json:"name"`
	From     string    `json:"from"`               // URL of the repository, or of the file
	Revision string    `json:"revision,omitempty"` // the commit, where the server says it
	Files    []File    `json:"files"`
	Open     string    `json:"open,omitempty"` // the GGUF file to open; "": the folder
	Pulled   time.Time `json:"pulled"`
}

// maxRecord is above the size of any record, in files.
const maxRecord = 20_000

// parseRecord reads a record, which somebody may have edited: files lie in the folder.
func parseRecord(data []byte) (*record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("hub: %.300w", err)
	}
	if len(r.Files) == 0 || len(r.Files) > maxRecord {
		return nil, errors.New("hub: the record has no files")
	}
	for i := range r.Files {
		f := &r.Files[i]
		if !usable(f.Path) || f.Bytes < 0 {
			return nil, fmt.Errorf("hub: the record names the file %.100q", f.Path)
		}
	}
	if r.Open != "" && !slices.ContainsFunc(r.Files, func(f File) bool { return f.local() == r.Open }) {
		return nil, fmt.Errorf("hub: the record names the file %.100q", r.Open)
	}
	if _, err := ParseName(r.Name); err != nil {
		return nil, err
	}
	return &r, distinct(r.Files)
}

func readRecord(dir, name string) (*record, error) {
	data, err := checkpoint.ReadSmall(os.DirFS(dir), name)
	if err != nil {
		return nil, err
	}
	return parseRecord(data)
}

func (r *record) write(dir, name string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	return checkpoint.SaveFile(filepath.Join(dir, name), append(data, '\n'))
}

// file is the record's file with a path; nil if there is none.
func (r *record) file(path string) *File {
	if r == nil {
		return nil
	}
	if i := slices.IndexFunc(r.Files, func(f File) bool { return f.Path == path }); i >= 0 {
		return &r.Files[i]
	}
	return nil
}

// whole says what is wrong with a model's files, as far as their sizes tell.
func (r *record) whole(dir string) error {
	for i := range r.Files {
		f := &r.Files[i]
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(f.local())))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is missing", f.local())
		}
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Size() != f.Bytes {
			return fmt.Errorf("%s has %d bytes instead of %d", f.local(), info.Size(), f.Bytes)
		}
	}
	return nil
}

// folder is the name of a model's folder: readable, and of one model alone. open is the path of the GGUF file to open, if it has one.
func folder(n Name, open string) string {
	if n.URL != "" {
		return "url--" + notPlain.ReplaceAllString(n.short(), "-") + "-" + packed.HashOf([]byte(n.URL))[:16]
	}
	name := n.Owner + "--" + n.Repo
	if n.Revision != "" {
		name += "@" + strings.ReplaceAll(n.Revision, "/", "+")
	}
	if open != "" {
		name += "--" + strings.ReplaceAll(strings.TrimSuffix(open, ".gguf"), "/", "+")
	}
	return name
}

// notPlain matches what a folder's name should not have.
var notPlain = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// entry is a model's folder.
type entry struct {
	dir     string
	name    Name
	done    *record // nil: not complete
	pending *record // nil: nothing is being downloaded
	damage  error   // why a complete model cannot be used
}

// entries reads all folders.
func (h *Hub) entries() ([]entry, error) {
	list, err := os.ReadDir(h.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("hub: %w", err)
	}
	var all []entry
	for _, d := range list {
		if d.IsDir() && d.Name() != lockDir {
			all = append(all, readEntry(filepath.Join(h.dir, d.Name())))
		}
	}
	return all, nil
}

func readEntry(dir string) entry {
	e := entry{dir: dir}
	var err, pendingErr error
	if e.done, err = readRecord(dir, recordName); err == nil {
		e.damage = e.done.whole(dir)
	}
	if e.pending, pendingErr = readRecord(dir, pendingName); pendingErr != nil {
		e.pending = nil
	}
	switch {
	case e.done == nil && !errors.Is(err, fs.ErrNotExist):
		e.damage = err
	case e.done == nil && e.pending == nil:
		e.damage = errors.New("it has no record of its files")
	}
	for _, r := range []*record{e.done, e.pending} {
		if r != nil {
			e.name, _ = ParseName(r.Name) // readRecord has parsed it
			break
		}
	}
	return e
}

// path is what package detect opens.
func (e *entry) path() string { return filepath.Join(e.dir, filepath.FromSlash(e.done.Open)) }

// is says whether a folder has the model of a name.
func (e *entry) is(n Name) bool {
	r := e.done
	if r == nil {
		r = e.pending
	}
	if r == nil || n.URL != e.name.URL || n.Revision != e.name.Revision || !strings.EqualFold(n.Owner, e.name.Owner) ||
		!strings.EqualFold(n.Repo, e.name.Repo) {
		return false
	}
	if n.Choice == "" || r.Open == "" {
		return n.Choice == ""
	}
	return meant(modelFile(e.first(r)), r.Files, n.Choice)
}

// first is the path of the file to open.
func (e *entry) first(r *record) string {
	i := slices.IndexFunc(r.Files, func(f File) bool { return f.local() == r.Open })
	return r.Files[i].Path // parseRecord has looked for it
}

// lock keeps other programs from a model's folder until the returned function is called.
func (h *Hub) lock(ctx context.Context, dir string, waiting func()) (unlock func(), err error) {
	locks := filepath.Join(h.dir, lockDir)
	if err := os.MkdirAll(locks, 0o777); err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	l := flock.New(filepath.Join(locks, filepath.Base(dir)))
	ok, err := l.TryLock()
	if err == nil && !ok && waiting != nil {
		waiting()
		ok, err = l.TryLockContext(ctx, 200*time.Millisecond)
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("hub: lock %s: %w", l.Path(), err)
	case !ok:
		return nil, fmt.Errorf("hub: another program is downloading this model: wait for it, or end it")
	}
	return func() { l.Unlock() }, nil // an error leaves the lock to the end of the process
}

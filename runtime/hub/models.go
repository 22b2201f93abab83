package hub

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gossamer/runtime/checkpoint"
)

// Model is a model that is on this machine, wholly or in part.
type Model struct {
	Name       string    `json:"name"`
	Path       string    `json:"path"` // of what to open, or of the folder of what is incomplete
	Bytes      int64     `json:"bytes"`
	TotalBytes int64     `json:"totalBytes"`
	Complete   bool      `json:"complete"`
	Checked    string    `json:"checked,omitempty"`  // what its files were compared with when they were downloaded
	Revision   string    `json:"revision,omitempty"` // the commit that it is
	Foreign    bool      `json:"foreign,omitempty"`  // it belongs to Hugging Face's tools
	Damaged    string    `json:"damaged,omitempty"`  // why it cannot be used
	Pulled     time.Time `json:"pulled,omitzero"`
}

// NotPulledError says that a name is in order, but nothing of that name is on this machine, or not all of it.
type NotPulledError struct {
	Name    Name
	Partial bool
	Damage  error // of what is there; nil if it is only not complete
}

func (e *NotPulledError) Error() string {
	state := "is not on this machine"
	switch {
	case e.Damage != nil:
		state = fmt.Sprintf("is damaged (%v)", e.Damage)
	case e.Partial:
		state = "is not complete"
	}
	return fmt.Sprintf("%s %s: run gossamer pull %s", checkpoint.Printable(e.Name.String()), state, checkpoint.Printable(e.Name.String()))
}

// Find looks for a model, here or among the downloads of Hugging Face's tools, and asks no server. Where it is not, the error is a
// *NotPulledError.
func (h *Hub) Find(n Name) (Model, error) {
	all, err := h.entries()
	if err != nil {
		return Model{}, err
	}
	missing := &NotPulledError{Name: n}
	var found []Model
	for i := range all {
		e := &all[i]
		switch {
		case !e.is(n):
		case e.done != nil && e.damage == nil:
			found = append(found, e.model(h))
		default:
			missing.Partial, missing.Damage = true, e.damage
		}
	}
	if len(found) == 0 {
		if m, ok := h.findForeign(n); ok {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return Model{}, missing
	case 1:
		return found[0], nil
	}
	var names []string
	for _, m := range found {
		names = append(names, m.Name)
	}
	return Model{}, fmt.Errorf("hub: %s may be any of %s: name one of them", n, strings.Join(names, ", "))
}

// model describes a folder.
func (e *entry) model(h *Hub) Model {
	m := Model{Name: filepath.Base(e.dir), Path: e.dir}
	r := e.done
	if r == nil {
		r = e.pending
	}
	if e.damage != nil {
		m.Damaged = e.damage.Error()
	}
	if r == nil {
		m.Bytes = folderBytes(e.dir)
		return m
	}
	m.Name, m.Revision, m.Complete, m.Pulled = r.Name, r.Revision, e.done != nil && e.damage == nil, r.Pulled
	for i := range r.Files {
		m.TotalBytes += r.Files[i].Bytes
	}
	m.Bytes = folderBytes(e.dir)
	if m.Complete {
		m.Path, m.Checked, m.Bytes = e.path(), r.checked(), m.TotalBytes
	}
	return m
}

// checked says what the bytes of a model were compared with.
func (r *record) checked() string {
	for i := range r.Files {
		if r.Files[i].SHA256 == "" && r.Files[i].Blob == "" {
			return "no published hash, pinned at first sight"
		}
	}
	host := r.From
	if u, err := url.Parse(r.From); err == nil {
		host = u.Host
	}
	return "hashes of " + checkpoint.Printable(host)
}

// folderBytes is the size of a folder's files, without records.
func folderBytes(dir string) (n int64) {
	for _, pattern := range []string{"*", chunkDir + "*"} {
		names, _ := filepath.Glob(filepath.Join(escapeGlob(dir), filepath.FromSlash(pattern))) // the pattern is in order
		for _, name := range names {
			info, err := os.Lstat(name)
			if err == nil && info.Mode().IsRegular() && filepath.Base(name) != recordName && filepath.Base(name) != pendingName {
				n += info.Size()
			}
		}
	}
	return n
}

// escapeGlob makes a path a pattern that matches it alone.
func escapeGlob(path string) string {
	var b strings.Builder
	for _, r := range path {
		if strings.ContainsRune("*?[", r) {
			b.WriteByte('[')
			b.WriteRune(r)
			b.WriteByte(']')
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// List returns the models on this machine, those of Hugging Face's tools last.
func (h *Hub) List() ([]Model, error) {
	all, err := h.entries()
	if err != nil {
		return nil, err
	}
	var models []Model
	for i := range all {
		models = append(models, all[i].model(h))
	}
	slices.SortFunc(models, func(a, b Model) int { return strings.Compare(a.Name, b.Name) })
	return append(models, h.listForeign()...), nil
}

// ErrNotHere says that there is nothing to remove.
var ErrNotHere = errors.New("it is not on this machine")

// Remove deletes a model, also an incomplete or damaged one: by its name, or by what List calls it.
func (h *Hub) Remove(ctx context.Context, text string) error {
	all, err := h.entries()
	if err != nil {
		return err
	}
	n, nameErr := ParseName(text)
	var found []*entry
	for i := range all {
		if e := &all[i]; filepath.Base(e.dir) == text || nameErr == nil && e.is(n) {
			found = append(found, e)
		}
	}
	switch {
	case len(found) > 1:
		var names []string
		for _, e := range found {
			names = append(names, e.model(h).Name)
		}
		return fmt.Errorf("hub: %s may be any of %s: name one of them", quoted(text), strings.Join(names, ", "))
	case len(found) == 0:
		if nameErr == nil {
			if m, ok := h.findForeign(n); ok {
				return fmt.Errorf("hub: %s is in the cache of Hugging Face's tools, which gossamer leaves as it is: remove it with them, or delete %s", n, m.Path)
			}
		}
		return fmt.Errorf("hub: %s: %w", quoted(text), ErrNotHere)
	}
	unlock, err := h.lock(ctx, found[0].dir, nil)
	if err != nil {
		return err
	}
	defer unlock()
	// The record goes first: of what is left if this is interrupted, nobody believes that it is a model.
	if err := os.Remove(filepath.Join(found[0].dir, recordName)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("hub: %w", err)
	}
	if err := os.RemoveAll(found[0].dir); err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	return nil
}

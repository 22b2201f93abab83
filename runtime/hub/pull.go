package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/detect"
	"gossamer/runtime/checkpoint/remote"
)

// hash makes what computes the published hash of a file, SHA-256 if there is none.
func (f *File) hash() hash.Hash {
	if f.SHA256 == "" && f.Blob != "" {
		h := sha1.New()
		fmt.Fprintf(h, "blob %d\x00", f.Bytes)
		return h
	}
	return sha256.New()
}

// accepts says whether a hash is the published one, or none is published.
func (f *File) accepts(sum string) bool {
	return sum == f.SHA256 || f.SHA256 == "" && (sum == f.Blob || f.Blob == "")
}

// published says that a hash is published.
func (f *File) published() bool { return f.SHA256 != "" || f.Blob != "" }

// Pull downloads what is missing, checks it, and makes the model of it. What is interrupted goes on where it was when the same is pulled
// again. Another program that pulls the same model is waited for. progress is never called concurrently; nil: nobody is told.
func (p *Plan) Pull(ctx context.Context, progress func(checkpoint.Progress)) error {
	unlock, err := p.hub.lock(ctx, p.Dir, func() {
		p.hub.log.WarnContext(ctx, "another program is downloading this model: waiting for it")
	})
	if err != nil {
		return err
	}
	defer unlock()
	if p.Complete() {
		return nil
	}
	p.Left = p.Bytes - p.here()
	if err := p.hub.CheckRoom(p.Name.String(), p.Left); err != nil {
		return err
	}
	t := &transfer{Plan: p, pending: p.record(), report: progress}
	if err := t.all(ctx); err != nil {
		p.removeEmpty(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return p.explain(err)
	}
	open := filepath.Join(p.Dir, filepath.FromSlash(p.open))
	if _, err := detect.Open(ctx, open, detect.Options{NoCache: true}); err != nil && ctx.Err() == nil {
		return fmt.Errorf("hub: %s is complete, but gossamer cannot run it: %w", p.Name, err)
	}
	return ctx.Err()
}

// removeEmpty removes the folder of a model of which nothing has come, since there is nothing to go on with.
func (p *Plan) removeEmpty(ctx context.Context) {
	if e := readEntry(p.Dir); e.done != nil || folderBytes(p.Dir) > 0 {
		return
	}
	if err := os.RemoveAll(p.Dir); err != nil {
		p.hub.log.WarnContext(ctx, "the folder of a model of which nothing has come cannot be removed", "err", err)
	}
}

// transfer is a plan that is carried out.
type transfer struct {
	*Plan
	pending *record
	todo    []*piece                  // files that are not in place
	report  func(checkpoint.Progress) // nil: nobody is told

	mu    sync.Mutex // guards meter, pending and calls of report
	meter checkpoint.Meter
}

// piece is a file that is downloaded.
type piece struct {
	f    *File // of the pending record
	part string
	hash hash.Hash // of the first have bytes
	have int64
}

// all carries it out.
func (t *transfer) all(ctx context.Context) error {
	if err := t.prepare(ctx); err != nil {
		return err
	}
	if err := t.download(ctx); err != nil {
		return err
	}
	return t.commit()
}

// prepare finds out what is here, reads it again, and writes down what the incomplete files are.
func (t *transfer) prepare(ctx context.Context) error {
	if err := os.MkdirAll(t.Dir, 0o777); err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	e := readEntry(t.Dir)
	for i := range t.pending.Files {
		f := &t.pending.Files[i]
		old := e.done.file(f.Path)
		if f.same(old) && size(t.path(f)) == f.Bytes {
			*f = *old
			continue
		}
		q := &piece{f: f, part: t.part(f), hash: f.hash()}
		t.todo = append(t.todo, q)
		if old := e.pending.file(f.Path); f.same(old) {
			*f = *old
			if e.done == nil && size(q.part) == 0 && size(t.path(f)) == f.Bytes { // an earlier pull was interrupted at its very end
				if err := os.Rename(t.path(f), q.part); err != nil {
					return fmt.Errorf("hub: %w", err)
				}
			}
		} else if err := os.Remove(q.part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("hub: %w", err)
		}
		if err := os.MkdirAll(filepath.Dir(q.part), 0o777); err != nil {
			return fmt.Errorf("hub: %w", err)
		}
	}
	if err := t.pending.write(t.Dir, pendingName); err != nil {
		return err
	}
	return t.readAgain(ctx)
}

// readAgain hashes what an earlier pull left.
func (t *transfer) readAgain(ctx context.Context) error {
	t.meter = checkpoint.Meter{Progress: checkpoint.Progress{Phase: checkpoint.PhaseVerify}}
	for _, q := range t.todo {
		if n := size(q.part); n > q.f.Bytes || !q.f.published() && q.f.Version == "" { // nobody could tell whether it belongs to the file
			if err := os.Remove(q.part); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("hub: %w", err)
			}
		} else {
			t.meter.BytesTotal += n
		}
	}
	return checkpoint.EachParallel(ctx, len(t.todo), func(ctx context.Context, i int) error {
		q := t.todo[i]
		f, err := os.Open(q.part)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("hub: %w", err)
		}
		defer f.Close()
		for buf := make([]byte, 1<<20); ctx.Err() == nil; {
			n, err := f.Read(buf)
			q.hash.Write(buf[:n])
			q.have += int64(n)
			t.count(int64(n))
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return fmt.Errorf("hub: %w", err)
			}
		}
		return ctx.Err()
	})
}

// count tells of n more bytes.
func (t *transfer) count(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.meter.Add(n, t.report)
}

// download fetches what is missing of all files.
func (t *transfer) download(ctx context.Context) error {
	t.meter = checkpoint.Meter{Progress: checkpoint.Progress{Phase: checkpoint.PhaseDownload, BytesTotal: t.Bytes, BytesDone: t.Bytes}}
	for _, q := range t.todo {
		t.meter.BytesDone -= q.f.Bytes - q.have
	}
	t.meter.BytesHere = t.meter.BytesDone
	return checkpoint.EachParallel(ctx, len(t.todo), func(ctx context.Context, i int) error { return t.file(ctx, t.todo[i]) })
}

// file downloads a file. One that has other bytes than it should is fetched once more, since a copy on the way may be damaged, and then
// refused.
func (t *transfer) file(ctx context.Context, q *piece) error {
	for attempt := 1; ; attempt++ {
		if err := t.fetch(ctx, q); err != nil {
			return err
		}
		sum := fmt.Sprintf("%x", q.hash.Sum(nil))
		if q.f.accepts(sum) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if !q.f.published() {
				q.f.Seen = sum
			}
			return nil
		}
		t.restart(q)
		if err := os.Remove(q.part); err != nil {
			return fmt.Errorf("hub: %w", err)
		}
		if attempt == 2 {
			return fmt.Errorf("hub: %s: %s has other bytes than %s published, twice, and was removed (hash %s, want %s): run this again later, or tell its owner",
				t.Name, q.f.Path, t.Host, sum, q.f.SHA256+q.f.Blob)
		}
		t.hub.log.WarnContext(ctx, "a file has other bytes than published: downloading it again", "file", q.f.Path)
	}
}

// restart forgets what is there of a file.
func (t *transfer) restart(q *piece) {
	t.mu.Lock()
	t.meter.BytesDone -= q.have
	t.meter.BytesHere = min(t.meter.BytesHere, t.meter.BytesDone)
	t.mu.Unlock()
	q.have = 0
	q.hash = q.f.hash()
}

// fetch downloads a file to its end.
func (t *transfer) fetch(ctx context.Context, q *piece) error {
	w, err := os.OpenFile(q.part, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	from := t.url(q.f)
	err = t.client.Retry(ctx, from, remote.MaxFailures, func(ctx context.Context) (int64, error) {
		before := q.have
		err := t.more(ctx, q, from, w)
		return max(q.have-before, 0), err
	})
	if err != nil {
		return errors.Join(err, w.Close())
	}
	return checkpoint.WriteError(q.part, errors.Join(w.Truncate(q.f.Bytes), w.Sync(), w.Close()))
}

// more is one attempt to download the rest of a file.
func (t *transfer) more(ctx context.Context, q *piece, from string, w *os.File) error {
	if q.have == q.f.Bytes {
		return nil
	}
	header := http.Header{}
	if q.have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", q.have))
		if q.f.Version != "" {
			header.Set("If-Range", q.f.Version)
		}
	}
	b, err := t.client.Get(ctx, from, header)
	if status := (*remote.StatusError)(nil); errors.As(err, &status) && status.Status == http.StatusRequestedRangeNotSatisfiable && q.have > 0 {
		t.restart(q) // the file is shorter now
		return errChanged
	}
	if err != nil {
		return err
	}
	defer b.Close()
	if err := t.begin(q, b); err != nil {
		return err
	}
	return t.copy(ctx, q, b, w)
}

var errChanged = errors.New("the file has changed on the server: it is downloaded from the beginning")

// begin sees to it that a reply's bytes belong where those that are here end.
func (t *transfer) begin(q *piece, b *remote.Body) error {
	version := versionOf(b.Header)
	if b.StatusCode == http.StatusPartialContent {
		if first := b.First(); first != q.have {
			return remote.Final(fmt.Errorf("hub: %s sends bytes from %d on instead of from %d: take another host", t.Host, first, q.have))
		}
		if q.have > 0 && q.f.Version != "" && version != "" && version != q.f.Version { // it does not know If-Range
			t.restart(q)
			return errChanged
		}
	} else if q.have > 0 {
		t.restart(q) // of a file that has changed, and by a server that does not know ranges, all is sent
	}
	if total := b.Total(); total >= 0 && total != q.f.Bytes {
		return remote.Final(fmt.Errorf("hub: %s: %s has %d bytes on %s now, and not %d as when this began: run this again", t.Name, q.f.Path, total, t.Host, q.f.Bytes))
	}
	if version == q.f.Version {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	q.f.Version = version
	if err := t.pending.write(t.Dir, pendingName); err != nil {
		return remote.Final(err)
	}
	return nil
}

// copy writes a reply behind what is here.
func (t *transfer) copy(ctx context.Context, q *piece, b *remote.Body, w *os.File) error {
	for buf := make([]byte, 1<<18); ; {
		n, err := b.Read(buf)
		if q.have+int64(n) > q.f.Bytes {
			return remote.Final(fmt.Errorf("hub: %s: %s has more than %d bytes on %s: run this again", t.Name, q.f.Path, q.f.Bytes, t.Host))
		}
		if n > 0 {
			if _, err := w.WriteAt(buf[:n], q.have); err != nil {
				return remote.Final(checkpoint.WriteError(q.part, err))
			}
			q.hash.Write(buf[:n])
			q.have += int64(n)
			t.count(int64(n))
		}
		switch {
		case q.have == q.f.Bytes:
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// commit gives all files their names, and then the model its record. In between, which is short, there is no model.
func (t *transfer) commit() error {
	if err := os.Remove(filepath.Join(t.Dir, recordName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("hub: %w", err)
	}
	for _, q := range t.todo {
		if err := os.Rename(q.part, t.path(q.f)); err != nil {
			return fmt.Errorf("hub: %w", err)
		}
	}
	syncDir(t.Dir)
	if err := t.pending.write(t.Dir, recordName); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(t.Dir, pendingName)); err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	syncDir(t.Dir)
	return t.clear()
}

// clear removes what belonged to an earlier state of the model.
func (t *transfer) clear() error {
	keep := map[string]bool{recordName: true}
	for i := range t.pending.Files {
		keep[t.pending.Files[i].local()] = true
	}
	for _, folder := range []string{"", chunkDir} {
		err := checkpoint.RemoveFiles(filepath.Join(t.Dir, folder), func(name string) bool {
			return !keep[folder+name] && folder+name != strings.TrimSuffix(chunkDir, "/")
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// syncDir makes the names of a directory's files survive a crash, on systems where a directory can be synchronised.
func syncDir(dir string) {
	if f, err := os.Open(dir); err == nil {
		f.Sync()
		f.Close()
	}
}

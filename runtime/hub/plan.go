package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/remote"
	"gossamer/runtime/checkpoint/safetensors"
	"gossamer/runtime/gptoss"
)

// Plan is what downloading a model comes to. It is made before anything is written.
type Plan struct {
	Name     Name
	Host     string         // that the files come from
	Revision string         // the commit; "" if the server does not say it
	Dir      string         // of the model
	Files    []File         // all that the model consists of
	Bytes    int64          // of all files
	Left     int64          // bytes that are not here yet
	Config   *gptoss.Config // nil of a GGUF file, whose configuration comes with it
	Replaces time.Time      // when the model was downloaded that has other files than the server has now; zero if there is none
	Checked  string         // what the files are going to be compared with

	hub    *Hub
	client *remote.Client
	open   string // the GGUF file to open
}

// Complete says that nothing is left to do.
func (p *Plan) Complete() bool {
	e := readEntry(p.Dir)
	return e.done != nil && e.damage == nil && p.matches(e.done)
}

// matches says whether a record has the plan's files.
func (p *Plan) matches(r *record) bool {
	return len(r.Files) == len(p.Files) && !slices.ContainsFunc(p.Files, func(f File) bool { return !f.same(r.file(f.Path)) })
}

// same says that two files have the same bytes, as far as anybody knows.
func (f *File) same(g *File) bool {
	if g == nil || f.Bytes != g.Bytes || f.SHA256 != g.SHA256 || f.Blob != g.Blob {
		return false
	}
	return f.SHA256 != "" || f.Blob != "" || f.Version != "" && f.Version == g.Version
}

// Plan asks the server what a model consists of. Where a host cannot be reached it fails at once.
func (h *Hub) Plan(ctx context.Context, n Name) (*Plan, error) {
	p := &Plan{Name: n, Host: h.Host(), hub: h}
	var err error
	if n.URL != "" {
		err = p.ofURL(ctx)
	} else {
		err = p.ofRepository(ctx)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	for i := range p.Files {
		p.Bytes += p.Files[i].Bytes
	}
	p.Checked = p.record().checked()
	if e := readEntry(p.Dir); e.done != nil && !p.matches(e.done) {
		p.Replaces = e.done.Pulled
		if err := p.checkPinned(e.done); err != nil {
			return nil, err
		}
	}
	p.Left = p.Bytes - p.here()
	return p, nil
}

// checkPinned refuses files of a commit that had other hashes when the model was downloaded: commits do not change.
func (p *Plan) checkPinned(old *record) error {
	if p.Revision == "" || p.Revision != old.Revision {
		return nil
	}
	for i := range p.Files {
		if f := old.file(p.Files[i].Path); f != nil && (f.SHA256 != p.Files[i].SHA256 || f.Blob != p.Files[i].Blob) {
			return fmt.Errorf("hub: %s: %s publishes another hash of %s than when it was downloaded on %s, of the same commit, so one of the two is not the real one: to trust %s now, remove the model first",
				p.Name, p.Host, f.Path, old.Pulled.Format(time.DateOnly), p.Host)
		}
	}
	return nil
}

// ofRepository plans a repository of Hugging Face.
func (p *Plan) ofRepository(ctx context.Context) (err error) {
	if p.client, err = p.hub.client(); err != nil {
		return err
	}
	if p.Revision, err = p.commit(ctx); err != nil {
		return p.explain(err)
	}
	all, err := p.list(ctx)
	if err != nil {
		return p.explain(err)
	}
	if p.Files, p.open, err = choose(all, p.Name); err != nil {
		return err
	}
	path := ""
	if p.open != "" {
		path = p.Files[0].Path
	}
	p.Dir = filepath.Join(p.hub.dir, folder(p.Name, path))
	for i := range p.Files {
		f := &p.Files[i]
		switch {
		case f.local() == safetensors.ConfigName:
			err = p.readConfig(ctx, f)
		case f.local() == p.open:
			err = p.checkArchitecture(ctx, f)
		}
		if err != nil {
			return p.explain(err)
		}
	}
	return nil
}

// revision is what the server is asked for.
func (p *Plan) revision() string {
	switch {
	case p.Revision != "":
		return p.Revision
	case p.Name.Revision != "":
		return p.Name.Revision
	}
	return mainRevision
}

// api is the URL of what the API says about the repository.
func (p *Plan) api(what string) string {
	return p.hub.endpoint.String() + "/api/models/" + p.Name.Owner + "/" + p.Name.Repo + "/" + what + "/" + url.PathEscape(p.revision())
}

// url is where a file is.
func (p *Plan) url(f *File) string {
	if p.Name.URL != "" {
		return p.Name.URL
	}
	parts := strings.Split(f.Path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return p.hub.endpoint.String() + "/" + p.Name.Owner + "/" + p.Name.Repo + "/resolve/" + url.PathEscape(p.revision()) + "/" + strings.Join(parts, "/")
}

// commit asks which commit the revision is, so that all files are of one. A mirror may not know.
func (p *Plan) commit(ctx context.Context) (string, error) {
	data, _, err := p.small(ctx, p.api("revision"), maxListBytes)
	if status := (*remote.StatusError)(nil); errors.As(err, &status) && status.Status == http.StatusNotFound && status.Code == "" {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var info struct {
		SHA string `json:"sha"`
	}
	if err := json.Unmarshal(data, &info); err != nil || !commitName.MatchString(info.SHA) {
		return "", fmt.Errorf("hub: %s does not speak Hugging Face's language: check HF_ENDPOINT", p.Host)
	}
	return info.SHA, nil
}

const (
	maxListBytes   = 16 << 20 // of a page of a file list, which has 1,000 files
	maxConfigBytes = 1 << 20  // of config.json, of which the published ones have 2 kB
)

// nextPage matches the link to the next page of a list.
var nextPage = regexp.MustCompile(`<([^>]*)>\s*;\s*rel="?next"?`)

// list fetches the repository's file list, page by page.
func (p *Plan) list(ctx context.Context) ([]File, error) {
	var files []File
	for next := p.api("tree") + "?recursive=true"; next != ""; {
		data, header, err := p.small(ctx, next, maxListBytes)
		if err != nil {
			return nil, err
		}
		page, err := parseList(data)
		if err != nil {
			return nil, err
		}
		if files = append(files, page...); len(files) > maxFiles || len(page) == 0 && len(files) > 0 {
			return nil, fmt.Errorf("hub: %s: the list of files does not end", p.Name)
		}
		if next, err = p.follow(next, header.Get("Link")); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// follow is the URL of the next page, which must be on the same host; "" if there is none.
func (p *Plan) follow(from, link string) (string, error) {
	m := nextPage.FindStringSubmatch(link)
	if m == nil {
		return "", nil
	}
	base, err := url.Parse(from)
	if err != nil {
		return "", fmt.Errorf("hub: %w", err)
	}
	to, err := base.Parse(m[1])
	if err != nil || to.Host != base.Host {
		return "", fmt.Errorf("hub: %s: the list of files goes on elsewhere: %.200q", p.Name, m[1])
	}
	to.Scheme = base.Scheme // behind a proxy a mirror may not know its own
	return to.String(), nil
}

// small fetches a whole file of at most limit bytes.
func (p *Plan) small(ctx context.Context, from string, limit int64) (data []byte, header http.Header, err error) {
	err = p.client.Retry(ctx, from, remote.OpenFailures, func(ctx context.Context) (int64, error) {
		b, err := p.client.Get(ctx, from, http.Header{})
		if err != nil {
			return 0, atOnce(err)
		}
		defer b.Close()
		header = b.Header
		data, err = io.ReadAll(io.LimitReader(b, limit+1))
		if int64(len(data)) > limit {
			err = remote.Final(fmt.Errorf("hub: %s sends more than %d bytes: this is no host of models", p.Host, limit))
		}
		return int64(len(data)), err
	})
	return data, header, err
}

// atOnce makes it final that nobody is there, which is no passing failure where nothing has come yet.
func atOnce(err error) error {
	if errors.As(err, new(*remote.ConnectError)) {
		return remote.Final(err)
	}
	return err
}

// readConfig fetches the model's configuration, and refuses a model that is none of ours before its weights are downloaded.
func (p *Plan) readConfig(ctx context.Context, f *File) error {
	data, _, err := p.small(ctx, p.url(f), maxConfigBytes)
	if err != nil {
		return err
	}
	h := f.hash()
	h.Write(data)
	if got := fmt.Sprintf("%x", h.Sum(nil)); int64(len(data)) != f.Bytes || !f.accepts(got) {
		return fmt.Errorf("hub: %s: %s has other bytes than the list of files says: run this again later, or tell the owner of %s", p.Name, f.Path, p.Host)
	}
	if p.Config, err = gptoss.ParseConfig(data); err != nil {
		return fmt.Errorf("hub: %s is no model that gossamer runs: %w", p.Name, err)
	}
	return nil
}

// architecture begins what a GGUF file says about itself: the key, that its value is a text, and the text's length.
var architecture = regexp.MustCompile(`(?s)^GGUF.{0,200}general\.architecture\x08\x00\x00\x00(.)\x00{7}(.{0,40})`)

// checkArchitecture looks at the beginning of a GGUF file, and refuses a model that is none of ours before it is downloaded. What says
// nothing there is opened when it is complete.
func (p *Plan) checkArchitecture(ctx context.Context, f *File) error {
	from := p.url(f)
	return p.client.Retry(ctx, from, remote.OpenFailures, func(ctx context.Context) (int64, error) {
		b, err := p.client.Get(ctx, from, http.Header{"Range": {"bytes=0-511"}})
		if err != nil {
			return 0, atOnce(err)
		}
		defer b.Close()
		if p.Name.URL != "" {
			if f.Bytes = b.Total(); f.Bytes <= 0 {
				return 0, remote.Final(fmt.Errorf("hub: %s does not say how large the file is: download it by other means, and give its path", p.Host))
			}
			f.Version = versionOf(b.Header)
		}
		head, err := io.ReadAll(io.LimitReader(b, 512))
		if err != nil {
			return int64(len(head)), err
		}
		if !bytes.HasPrefix(head, []byte("GGUF")) {
			return 0, remote.Final(fmt.Errorf("hub: %s: %s is no GGUF file, whatever its name says: its first bytes are %.4q, not GGUF", p.Name, f.Path, head))
		}
		if m := architecture.FindSubmatch(head); m != nil && int(m[1][0]) <= len(m[2]) && string(m[2][:m[1][0]]) != "gpt-oss" {
			return 0, remote.Final(fmt.Errorf("hub: %s is no model that gossamer runs: its architecture is %.40q, not gpt-oss", p.Name, m[2][:m[1][0]]))
		}
		return int64(len(head)), nil
	})
}

// versionOf is a server's word for the bytes of a file: an ETag that stands for them, or when they were changed; "" if it has none.
func versionOf(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return h.Get("Last-Modified")
}

// ofURL plans a GGUF file on a web server.
func (p *Plan) ofURL(ctx context.Context) error {
	u, err := url.Parse(p.Name.URL)
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	if p.client, err = remote.NewClient(u, remote.ClientOptions{Near: true, Logger: p.hub.log}); err != nil {
		return err
	}
	p.Host = checkpoint.Printable(u.Host)
	f := File{Path: p.Name.short()}
	if !usable(f.Path) || partNumber.MatchString(f.Path) {
		return fmt.Errorf("hub: %s cannot be downloaded alone: download all files of the model into a directory, and give that", checkpoint.Printable(p.Name.URL))
	}
	if err := p.checkArchitecture(ctx, &f); err != nil {
		return p.explain(err)
	}
	p.Files, p.open = []File{f}, f.local()
	p.Dir = filepath.Join(p.hub.dir, folder(p.Name, p.open))
	return nil
}

// record is what the plan is once it is carried out.
func (p *Plan) record() *record {
	n, from := p.Name, p.Name.URL
	if n.URL == "" {
		from = p.hub.endpoint.String() + "/" + n.Owner + "/" + n.Repo
	}
	if n.URL == "" && p.open != "" { // the repository may get another GGUF model one day
		n.Choice = strings.TrimSuffix(modelFile(p.Files[0].Path), ".gguf")
	}
	return &record{
		Name: n.String(), From: from, Revision: p.Revision, Files: slices.Clone(p.Files), Open: p.open, Pulled: time.Now().UTC().Truncate(time.Second),
	}
}

// here is how many bytes of the files are here already.
func (p *Plan) here() (n int64) {
	e := readEntry(p.Dir)
	for i := range p.Files {
		f := &p.Files[i]
		if f.same(e.done.file(f.Path)) {
			n += min(size(p.path(f)), f.Bytes)
		} else if f.same(e.pending.file(f.Path)) {
			n += min(max(size(p.part(f)), size(p.path(f))), f.Bytes)
		}
	}
	return n
}

// path is where a file is when it is complete, part before that.
func (p *Plan) path(f *File) string { return filepath.Join(p.Dir, filepath.FromSlash(f.local())) }
func (p *Plan) part(f *File) string { return p.path(f) + checkpoint.PartExt }

// size is that of a regular file, 0 if there is none.
func size(name string) int64 {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

// Dir is where models are kept.
func (h *Hub) Dir() string { return h.dir }

// Room is how many bytes a program may still write where the models are; false if the system does not say.
func (h *Hub) Room() (bytes int64, known bool) {
	dir := h.dir
	for {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return diskRoom(dir)
		}
		dir = filepath.Dir(dir)
	}
}

// spare is what a download leaves free on the disk.
const spare = 64 << 20

// CheckRoom refuses so many bytes of a model more than the disk has room for.
func (h *Hub) CheckRoom(name string, bytes int64) error {
	room, known := h.Room()
	if !known || room-spare >= bytes || bytes == 0 {
		return nil
	}
	return fmt.Errorf("hub: %s takes %s more, and the disk of %s has %s free: make room, or name a directory on another disk in GOSSAMER_MODELS or --cache-dir",
		checkpoint.Printable(name), gigabytes(bytes), h.dir, gigabytes(max(room, 0)))
}

// gigabytes writes a size in decimal units, as disks are measured.
func gigabytes(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}

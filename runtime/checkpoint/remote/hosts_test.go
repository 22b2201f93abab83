package remote

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"gossamer/runtime/checkpoint/checkpointtest"
	"gossamer/runtime/checkpoint/packed"
)

// bystander is a server on this machine that no model may ask.
func bystander(t *testing.T) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// rename writes a manifest whose first chunk is elsewhere.
func rename(t *testing.T, dir, to string) {
	t.Helper()
	m, err := packed.ReadManifest(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	m.Chunks[0].URL = to
	data, err := m.Encode()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, packed.ManifestName), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestManifestNamesThisMachine: a manifest from a public host, from another port of this machine or in a directory, whose chunk is on
// this machine, is refused before anything is asked.
func TestManifestNamesThisMachine(t *testing.T) {
	to, asked := bystander(t)
	dir := t.TempDir()
	packTo(t, openDir(t, checkpointtest.WriteSmall(t)), dir)
	rename(t, dir, to+"/shutdown?x=1")
	refused := "checkpoint: manifest.json: chunk 0: " + to + "/shutdown is not asked, because it is not https: a model's files lie on its own host, or on public hosts with https"
	public := servePublic(t, dir)
	_, err := openAt(t, "https://example.com/", Options{transport: public.Client().Transport}, nil)
	checkpointtest.WantError(t, err, refused)
	_, err = openAt(t, serve(t, dir).URL, Options{}, nil)
	checkpointtest.WantError(t, err, refused)
	m, err := packed.ReadManifest(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Beside(t.Context(), m, packed.Files(os.DirFS(dir)), Options{CacheDir: t.TempDir()})
	checkpointtest.WantError(t, err, refused+": open a manifest from the server that has its files")
	if asked.Load() > 0 {
		t.Error("the request was made")
	}
}

// TestRedirects: where a server may send on to.
func TestRedirects(t *testing.T) {
	to, asked := bystander(t)
	dir := t.TempDir()
	local := packTo(t, openDir(t, checkpointtest.WriteSmall(t)), dir)
	public := servePublic(t, dir)
	plain := serve(t, dir)
	for _, c := range []struct {
		name, model, to, want string
	}{
		{"OwnOrigin", "https://example.com", "https://example.com/moved/", ""},
		{"PublicHost", "https://example.com", "https://cdn.example.com/moved/", ""},
		{"ThisMachine", "https://example.com", to + "/", "…is not asked, because it is not https: …"},
		{"ThisMachineByHTTPS", "https://example.com", strings.Replace(to, "http:", "https:", 1) + "/", "…is not asked, because it has no public host name: …"},
		{"LocalName", "https://example.com", "https://localhost/", "…is not asked, because it has no public host name: …"},
		{"PlainHTTP", "https://example.com", "http://example.com/", "…is not asked, because it is not https: …"},
		{"Password", "https://example.com", "https://a:secret@example.com/", "…is not asked, because it has a user or password in it: …"},
		{"File", "https://example.com", "file:///etc/passwd", "…is not asked, because it is not https: …"},
		{"PrivateToPrivate", plain.URL, to + "/", "…is not asked, because it is not https: …"},
		{"PrivateToOwn", plain.URL, plain.URL + "/moved/", ""},
		{"ToHTTPSAndBack", plain.URL, "https://example.com/back/", "checkpoint: chunk …: https://example.com/back/…: the server sends on from https to http, which anybody on the way can change: use another host"},
		{"Nothing", "https://example.com", "http://[", "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := func(w http.ResponseWriter, r *http.Request) bool {
				switch rest, moved := strings.CutPrefix(r.URL.Path, "/moved/"); {
				case moved:
					r.URL.Path = "/" + rest
					return false
				case strings.HasPrefix(r.URL.Path, "/back/"):
					http.Redirect(w, r, plain.URL+"/moved/", http.StatusFound)
				case strings.HasPrefix(r.URL.Path, "/chunks/"):
					w.Header().Set("Location", c.to+r.URL.Path[1:])
					w.WriteHeader(http.StatusFound)
				default:
					return false
				}
				return true
			}
			public.answer(answer)
			plain.answer(answer)
			m, err := openAt(t, c.model, Options{transport: public.Client().Transport}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := checkpointtest.Collector{}
			err = m.Load(t.Context(), got, nil)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want == "" && !maps.EqualFunc(collect(t, local), got, bytes.Equal):
				t.Error("other bytes")
			case c.want != "":
				checkpointtest.WantError(t, err, c.want)
				if strings.Contains(fmt.Sprint(err), "secret") {
					t.Errorf("tells a password: %v", err)
				}
			}
		})
	}
	if asked.Load() > 0 {
		t.Error("the request was made")
	}
}

// TestPublicNameOfPrivateAddress: a chunk's host has a public name that resolves to this machine.
func TestPublicNameOfPrivateAddress(t *testing.T) {
	to, asked := bystander(t)
	dir := t.TempDir()
	packTo(t, openDir(t, checkpointtest.WriteSmall(t)), dir)
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	rename(t, dir, "https://files.example.org:"+u.Port()+"/a")
	m, err := openAt(t, serve(t, dir).URL, Options{resolver: resolveTo(t, "127.0.0.1")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.WantError(t, m.Load(t.Context(), checkpointtest.Discard(), nil), "checkpoint: chunk https://files.example.org:"+u.Port()+
		"/a: files.example.org:"+u.Port()+" has the address 127.0.0.1, which is not public: a model's files lie on its own host or on public ones")
	if asked.Load() > 0 {
		t.Error("the request was made")
	}
}

// resolveTo answers every question for an IPv4 address with the same one; "": that there is no such host.
func resolveTo(t *testing.T, address string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		q := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(q)
			if err != nil {
				return
			}
			question := 12 + bytes.IndexByte(q[12:n], 0) + 5 // the name, its end, type and class
			reply := append(bytes.Clone(q[:2]), 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
			reply = append(reply, q[12:question]...)
			if address == "" {
				reply[3] |= 3
			} else if binary.BigEndian.Uint16(q[question-4:]) == 1 {
				ip := netip.MustParseAddr(address).As4()
				reply[7] = 1
				reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ip[0], ip[1], ip[2], ip[3])
			}
			conn.WriteTo(reply, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// TestOwnHostStaysPublic: the model's own host may be private, but not after it was public; a proxy may be anywhere.
func TestOwnHostStaysPublic(t *testing.T) {
	private, public := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("8.8.8.8")
	a := &addresses{own: "models.example.org:80"}
	for _, step := range []struct {
		host string
		ip   netip.Addr
		ok   bool
	}{
		{"models.example.org:80", private, true}, {"models.example.org:81", private, false}, {"models.example.org:80", private, true},
		{"cdn.example.org:443", public, true}, {"models.example.org:80", public, true}, {"models.example.org:80", private, false},
		{"models.example.org:80", public, true}, {"proxy:3128", private, false},
	} {
		if err := a.check(step.host, step.ip); (err == nil) != step.ok {
			t.Errorf("%s at %s: %v, want success: %v", step.host, step.ip, err, step.ok)
		}
	}
	a.proxies.Store("proxy:3128", true)
	if err := a.check("proxy:3128", private); err != nil {
		t.Error(err)
	}
}

// TestLoginStaysWithItsHost: the user's login goes to the model's own origin, by https, and nowhere else.
func TestLoginStaysWithItsHost(t *testing.T) {
	netrc := filepath.Join(t.TempDir(), "netrc")
	if err := os.WriteFile(netrc, []byte("machine example.com\n login ada password s3cret\nmachine cdn.example.com login ada password other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NETRC", netrc)
	dir := t.TempDir()
	packTo(t, openDir(t, checkpointtest.WriteSmall(t)), dir)
	s := servePublic(t, dir)
	var own, other, leaked atomic.Int64
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		user, password, ok := r.BasicAuth()
		switch {
		case r.Header.Get("Referer") != "" || r.Host != "example.com" && (ok || r.Header.Get("Authorization") != ""):
			leaked.Add(1)
		case r.Host != "example.com":
			other.Add(1)
		case user != "ada" || password != "s3cret":
			w.WriteHeader(http.StatusUnauthorized)
			return true
		case strings.HasPrefix(r.URL.Path, "/chunks/"):
			own.Add(1)
			http.Redirect(w, r, "https://cdn.example.com"+r.URL.Path, http.StatusFound)
			return true
		}
		return false
	})
	collect(t, mustOpenAt(t, "https://example.com", Options{transport: s.Client().Transport}))
	if own.Load() == 0 || other.Load() == 0 || leaked.Load() > 0 {
		t.Errorf("%d requests to the model's host, %d to another, %d more with a login", own.Load(), other.Load(), leaked.Load())
	}
	t.Setenv("NETRC", filepath.Join(t.TempDir(), "none"))
	_, err := openAt(t, "https://example.com", Options{transport: s.Client().Transport}, nil)
	checkpointtest.WantError(t, err, `…https://example.com/manifest.json: the server replies 401 Unauthorized: the server wants a login: for an https URL, put "machine HOST login USER password PASSWORD" into the file .netrc in your home directory`)
}

func TestNetrc(t *testing.T) {
	text := `# machine commented.example login a password b
machine a.example login u1 password p#1
machine b.example
	login u2
	password p2
	account x
macdef init
machine macro.example login a password b

machine c.example login u3
machine a.example login again password again
default login anonymous password guest
machine late.example login u password p
`
	for host, want := range map[string]login{
		"a.example": {"u1", "p#1"}, "A.example": {"u1", "p#1"}, "b.example": {"u2", "p2"}, "c.example": {"u3", ""}, "late.example": {"u", "p"},
		"d.example": {}, "macro.example": {}, "commented.example": {}, "": {},
	} {
		if got := parseNetrc(text, host); got != want {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
}

// TestPasswordInURL: it is refused, told nowhere, stored nowhere, and what to do instead is said.
func TestPasswordInURL(t *testing.T) {
	cache := t.TempDir()
	_, err := openAt(t, "https://ada:secret@host/m", Options{CacheDir: cache}, nil)
	checkpointtest.WantError(t, err, `checkpoint: URL "…@host/m": others can see the user and password in it: leave them out and put "machine host login USER password PASSWORD" into the file .netrc in your home directory`)
	for _, raw := range []string{"https://ada:secret@host/m?x", "https://ada:sec/ret@host/m", "http://ada:secret@[", "ftp:ada:secret@host", "https://ada:%zzsecret@host/"} {
		_, err := openAt(t, raw, Options{CacheDir: cache}, nil)
		errs := errors.Join(err, RemoveCached(cache, raw))
		if err == nil || strings.Contains(fmt.Sprint(errs), "sec") {
			t.Errorf("%s: %v", raw, errs)
		}
	}
	if files := checkpointtest.ListFiles(t, cache); len(files) > 0 {
		t.Errorf("stored %v", files)
	}
}

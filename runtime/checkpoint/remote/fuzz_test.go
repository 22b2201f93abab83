package remote

import (
	"net/url"
	"strings"
	"testing"

	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/testenv"
)

// FuzzModelURL: what is taken for a model's URL has no password, is its own notation, and errors do not tell one.
func FuzzModelURL(f *testing.F) {
	seeds := []string{"https://host/a", "http://[::1]:80/a/manifest.json", "https://huggingface.co/o/g/tree/main", "https://u:p@host/", "//", "https://host/%2f/..", "https://hf.co/a/b", "https://ada:sesame:x@["}
	testenv.Fuzz(f, seeds, func(t testing.TB, raw string) {
		base, err := modelURL(raw)
		if err != nil {
			if secret := "sesame:"; strings.Contains(raw, secret) && strings.LastIndex(raw, "@") > strings.LastIndex(raw, secret) && strings.Contains(err.Error(), secret) {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		u, err := url.Parse(base)
		if err != nil || u.User != nil || !strings.HasSuffix(base, "/") {
			t.Errorf("%q became %q", raw, base)
		}
		if again, err := modelURL(base); err != nil || again != base {
			t.Errorf("%q became %q, and that %q (%v)", raw, base, again, err)
		}
	})
}

// FuzzChunkURL: what a manifest may name is below it, or on a host that any reader of the URL takes for the same public one.
func FuzzChunkURL(f *testing.F) {
	seeds := []string{"chunks/a.bin", "../a", "https://cdn.example.net/a?b", "http://127.0.0.1/", "https://a@b.c/", "https://a.b\\c", "https://[::1]/"}
	base := &url.URL{Scheme: "https", Host: "models.example.org", Path: "/a/"}
	testenv.Fuzz(f, seeds, func(t testing.TB, s string) {
		if checkChunk(base, &packed.Chunk{URL: s}) != nil {
			return
		}
		u, err := base.Parse(s)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if u.Scheme != "https" || u.User != nil || u.Fragment != "" || !publicName(u.Hostname()) || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q is allowed", s)
		}
		if !strings.Contains(s, "://") && (u.Host != base.Host || !strings.HasPrefix(u.Path, base.Path)) {
			t.Errorf("%q is %s", s, u)
		}
	})
}

// FuzzNetrc: any text is read, and gives a host nothing that is not in it.
func FuzzNetrc(f *testing.F) {
	f.Add("machine a login b password c\ndefault login d", "a")
	f.Add("macdef x\ny\n\nmachine a", "a")
	f.Fuzz(func(t *testing.T, text, host string) {
		if l := parseNetrc(text, host); !strings.Contains(text, l.user) || !strings.Contains(text, l.password) || l != (login{}) && !strings.Contains(text, "machine") {
			t.Errorf("%+v", l)
		}
	})
}

// FuzzContentRange: any header is read, as numbers of bytes or as unknown.
func FuzzContentRange(f *testing.F) {
	testenv.Fuzz(f, []string{"bytes 5-9/100", "bytes */-1"}, func(t testing.TB, s string) {
		if first, total := contentRange(map[string][]string{"Content-Range": {s}}); first < -1 || total < -1 {
			t.Errorf("%q: %d, %d", s, first, total)
		}
	})
}

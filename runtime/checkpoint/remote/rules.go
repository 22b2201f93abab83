package remote

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/checkpoint/safetensors"
)

// Rules that the page follows too, in TypeScript: which URLs are models, which hosts a model may ask, and what a client does when a host
// does not send what was asked for. TestRules writes what they say about examples to testdata/rules, and the page's tests read the same files.

// modelURL is the URL of a model's directory, with a slash at its end. raw names the directory, its manifest.json or its
// config.json, or is the page of a repository on Hugging Face, with or without a revision. URLs with ? or # are refused: the URLs
// of the model's files are made by appending to its own.
func modelURL(raw string) (string, error) {
	refuse := func(why string) (string, error) {
		return "", fmt.Errorf("checkpoint: URL %q: %s", checkpoint.WithoutLogin(raw), why)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return refuse("this is not one")
	}
	if u.User != nil {
		return refuse(fmt.Sprintf(`others can see the user and password in it: leave them out and put "machine %s login USER password PASSWORD" into the file .netrc in your home directory`,
			checkpoint.Printable(u.Hostname())))
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return refuse("want http:// or https:// and a host")
	}
	if strings.ContainsAny(raw, "?#") {
		return refuse("a model is a directory, whose URL has neither ? nor #")
	}
	u = u.ResolveReference(u) // without . and .. in the path, as browsers have it
	u.Host = strings.ToLower(u.Host)
	switch file := path.Base(u.Path); {
	case file == packed.ManifestName || file == safetensors.ConfigName:
		u = u.JoinPath("..")
	case strings.HasSuffix(file, ".json"):
		return refuse(fmt.Sprintf("give the directory of the model, its %s or its %s", packed.ManifestName, safetensors.ConfigName))
	}
	if u.Host == "hf.co" { // it redirects, which a page may not be allowed to follow
		u.Host = "huggingface.co"
	}
	if u.Host == "huggingface.co" {
		switch parts := strings.Split(strings.Trim(u.Path, "/"), "/"); {
		case len(parts) == 2:
			u = u.JoinPath("resolve", "main")
		case len(parts) == 4 && parts[2] == "tree":
			u.Path = "/" + path.Join(parts[0], parts[1], "resolve", parts[3])
		}
	}
	return strings.TrimSuffix(u.String(), "/") + "/", nil
}

// mayAsk says whether a request for the files of a model may go to a URL, the first one or one that a server sends on to: it may go
// to the origin of the model's own URL base, which the user has named, wherever that is, and by https to hosts with public names.
// Anything else would let a stranger's manifest ask the user's machine and network. base is nil for a manifest in a directory.
func mayAsk(base, u *url.URL) error {
	why := ""
	switch {
	case u.User != nil:
		why = "has a user or password in it"
	case base != nil && originOf(base) == originOf(u):
		return nil
	case u.Scheme != "https":
		why = "is not https"
	case !publicName(u.Hostname()):
		why = "has no public host name"
	default:
		return nil
	}
	return fmt.Errorf("%s is not asked, because it %s: a model's files lie on its own host, or on public hosts with https", shown(u), why)
}

// originOf is a URL's scheme and address.
func originOf(u *url.URL) string { return u.Scheme + "://" + address(u) }

// address is the host and port that a URL's requests go to.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// localNames are endings of names that are never public.
var localNames = []string{"localhost", "local", "internal", "lan", "home.arpa"}

// publicName says whether a host's name may be in the public name system: it has a dot, does not end in a number, as addresses do in all
// their notations, and is not of a local network.
func publicName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == host || last == "" || '0' <= last[0] && last[0] <= '9' || strings.Contains(host, ":") {
		return false
	}
	return !slices.ContainsFunc(localNames, func(name string) bool { return strings.HasSuffix("."+host, "."+name) })
}

// Blocks of addresses that are not what they seem.
var (
	mapped4   = netip.MustParsePrefix("64:ff9b::/96") // IPv4 by way of a translator
	sixToFour = netip.MustParsePrefix("2002::/16")    // IPv4 by way of a tunnel
	special6  = netip.MustParsePrefix("2001::/23")    // tunnels and tests
	global6   = netip.MustParsePrefix("2000::/3")     // all that is public
	special4  = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	}
)

// publicAddr says whether an address is on the public internet. 198.18.0.0/15 counts: programs that tunnel a machine's connections
// give every public name an address of that block.
func publicAddr(a netip.Addr) bool {
	a = a.Unmap()
	if a.Is6() {
		b := a.As16()
		switch {
		case mapped4.Contains(a):
			return publicAddr(netip.AddrFrom4([4]byte(b[12:])))
		case sixToFour.Contains(a):
			return publicAddr(netip.AddrFrom4([4]byte(b[2:])))
		}
		return global6.Contains(a) && !special6.Contains(a)
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(special4, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Retries of a request.
const (
	firstPause   = 500 * time.Millisecond // before the second attempt; doubled for each further one
	longestWait  = 30 * time.Second       // between attempts, unless the host asks for more
	patience     = 5 * time.Minute        // the longest Retry-After that is obeyed
	MaxFailures  = 8                      // attempts in a row without a byte of progress
	OpenFailures = 3                      // the same, for the small files that a model is opened with: nothing is gained yet
	stallTimeout = 30 * time.Second       // in which a connection must bring an answer, and then minRate
	minRate      = 1 << 10                // bytes a second that count as progress
)

// backoff bounds the pause after so many failures in a row, 1 or more. The pause is drawn between the two, so that clients of a
// host that was away do not all come back at once.
func backoff(failures int) (least, most time.Duration) {
	most = min(firstPause<<min(failures-1, 10), longestWait)
	return most / 2, most
}

// verdict is what a client does about a reply that does not bring what was asked for.
type verdict struct {
	retry   bool          // another attempt may succeed
	wait    time.Duration // that the host asks for, also where it is too long to retry; 0: it does not say
	missing bool          // there is no such file: where manifest.json is missing, there may be a repository
}

// judge says what a reply's status (neither 200 nor 206) and its header Retry-After, "" if it has none, mean.
func judge(status int, header string, now time.Time) verdict {
	switch status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusGone: // object stores call what is missing forbidden
		return verdict{missing: true}
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return verdict{}
	default:
		if status < 500 || status > 599 {
			return verdict{}
		}
	}
	wait := retryAfter(header, now)
	return verdict{retry: wait <= patience, wait: wait}
}

// retryAfter reads a number of seconds or a date; 0 for anything else.
func retryAfter(s string, now time.Time) time.Duration {
	n, err := strconv.ParseUint(s, 10, 31)
	if errors.Is(err, strconv.ErrRange) {
		n, err = math.MaxInt32, nil
	}
	if err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

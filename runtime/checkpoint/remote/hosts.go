package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/packed"
)

const (
	connectTimeout = 10 * time.Second // to a host's address, and for the handshake with it
	maxHeaderBytes = 256 << 10        // of a reply
)

// shown is a URL as messages have it: without user, query and fragment, which may hold secrets, and printable.
func shown(u *url.URL) string {
	return checkpoint.Printable((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String())
}

// shownURL is shown for the text of a URL.
func shownURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return checkpoint.Printable(checkpoint.WithoutLogin(s))
	}
	return shown(u)
}

// guard is a transport that asks only where a model's files may lie, see mayAsk, redirects included, and gives the user's login to
// the model's own origin alone.
type guard struct {
	base  *url.URL // of the model; nil: its manifest is in a directory
	login login
	token string // in place of a login
	near  bool   // see ClientOptions.Near
	next  http.RoundTripper
}

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := mayAsk(g.base, r.URL); err != nil && (!g.near || r.URL.User != nil) {
		return nil, finalError{err}
	}
	if r.Response != nil && r.Response.Request.URL.Scheme == "https" && r.URL.Scheme != "https" {
		return nil, finalf("%s: the server sends on from https to http, which anybody on the way can change: use another host", shown(r.Response.Request.URL))
	}
	r = r.Clone(r.Context())
	r.Header.Del("Referer") // of redirects: a URL may be known to its user alone
	switch own := g.base != nil && originOf(r.URL) == originOf(g.base); {
	case own && g.token != "":
		r.Header.Set("Authorization", "Bearer "+g.token)
	case own && g.login.user != "":
		r.SetBasicAuth(g.login.user, g.login.password)
	}
	return g.next.RoundTrip(r)
}

// newTransport makes connections for a model at base, honouring the environment's proxies.
func newTransport(base *url.URL, near bool, resolver *net.Resolver) *http.Transport {
	a := &addresses{near: near, resolver: resolver}
	if base != nil {
		a.own = address(base)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = packed.Parallel
	t.MaxResponseHeaderBytes = maxHeaderBytes
	t.TLSHandshakeTimeout = connectTimeout
	t.DialContext = a.dial
	t.Proxy = func(r *http.Request) (*url.URL, error) {
		proxy, err := http.ProxyFromEnvironment(r)
		if proxy != nil {
			a.proxies.Store(address(proxy), true)
		}
		return proxy, err
	}
	return t
}

// addresses decides which addresses are connected to. The model's own host may have any, since the user named it, but not a private
// one after a public one: the second answer would be a trick to reach the user's network. Proxies are the user's, too, and resolve
// names themselves. All other hosts must have public addresses, whatever their names promise, unless the user's own host is near and has
// none itself.
type addresses struct {
	own      string        // host and port of the model
	near     bool          // see ClientOptions.Near
	resolver *net.Resolver // nil: the system's

	public  atomic.Bool // own was reached at a public address
	proxies sync.Map    // hosts and ports of proxies
}

func (a *addresses) dial(ctx context.Context, network, host string) (net.Conn, error) {
	d := net.Dialer{Timeout: connectTimeout, Resolver: a.resolver, Control: func(_, to string, _ syscall.RawConn) error {
		ip, err := netip.ParseAddrPort(to)
		if err != nil {
			return err
		}
		return a.check(host, ip.Addr())
	}}
	conn, err := d.DialContext(ctx, network, host)
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) && dns.IsNotFound {
		err = fmt.Errorf("there is no host %s: check the URL and the connection", checkpoint.Printable(dns.Name))
	}
	if err != nil {
		return nil, &ConnectError{err}
	}
	return conn, nil
}

// ConnectError says that there is no connection to a host: it has no address, nobody answers there, or nothing there listens.
type ConnectError struct{ err error }

func (e *ConnectError) Error() string { return e.err.Error() }
func (e *ConnectError) Unwrap() error { return e.err }

// check says whether a host, with its port, may be reached at an address.
func (a *addresses) check(host string, ip netip.Addr) error {
	if _, ok := a.proxies.Load(host); ok {
		return nil
	}
	public := publicAddr(ip)
	if public && host == a.own {
		a.public.Store(true)
	}
	if public || (host == a.own || a.near) && !a.public.Load() {
		return nil
	}
	return finalf("%s has the address %s, which is not public: a model's files lie on its own host or on public ones", checkpoint.Printable(host), ip)
}

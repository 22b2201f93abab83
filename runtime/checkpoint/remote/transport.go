package remote

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"gossamer/runtime/checkpoint"
)

const maxRedirects = 10 // of a request

// checkRedirect ends what leads nowhere.
func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) < maxRedirects {
		return nil
	}
	return protocolError(r.URL, "redirects in circles", fmt.Errorf("%d times", maxRedirects))
}

// ProtocolError says that a host answers, but not as a web server with files does. Another attempt would be answered in the same way.
type ProtocolError struct {
	text string
	err  error
}

func (e *ProtocolError) Error() string { return e.text }
func (e *ProtocolError) Unwrap() error { return e.err }

func protocolError(u *url.URL, what string, err error) error {
	return finalError{&ProtocolError{checkpoint.Printable(fmt.Sprintf("%s %s (%v)", u.Host, what, err)), err}}
}

// Untrusted says that a host's certificate is not in order.
func Untrusted(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError))
}

// notHTTP begins what net/http says of answers that are not HTTP, for which it has no types.
var notHTTP = []string{"malformed ", "bad Content-Length ", "invalid empty Content-Length ", "net/http: server response headers exceeded "}

// judgeTransport says what went wrong with a request that has no reply, and makes it final where another attempt would only repeat it.
// unsecured says that the handshake of TLS failed.
func judgeTransport(err error, unsecured bool) error {
	outer := (*url.Error)(nil)
	if !errors.As(err, &outer) {
		return transportError(err)
	}
	u, bad := url.Parse(outer.URL)
	if bad != nil {
		return transportError(err)
	}
	inner := outer.Err
	for next := inner; next != nil; next = errors.Unwrap(next) {
		inner = next
	}
	switch {
	case Untrusted(err):
		return finalError{transportError(err)}
	case errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, new(tls.RecordHeaderError)):
		return protocolError(u, "does not answer by TLS, as https has it", inner)
	case slices.ContainsFunc(notHTTP, func(begin string) bool { return strings.HasPrefix(inner.Error(), begin) }):
		return protocolError(u, "does not answer by HTTP", inner)
	case unsecured && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)): // which a busy host does too
		err = &ConnectError{fmt.Errorf("it hangs up where TLS should begin, perhaps because it has no https: %w", inner)}
		return transportError(&url.Error{URL: outer.URL, Err: err})
	case errors.Is(err, io.EOF): // as a host does that is starting or busy
		return transportError(&url.Error{URL: outer.URL, Err: fmt.Errorf("the server hangs up without an answer: %w", io.EOF)})
	}
	return transportError(err)
}

// transportError says what went wrong with a request. Its text may quote the server, so it is made printable.
func transportError(err error) error {
	where := ""
	if outer := (*url.Error)(nil); errors.As(err, &outer) {
		if u, bad := url.Parse(outer.URL); bad == nil {
			where = shown(u) + ": "
		}
		err = outer.Err
	}
	return &printableError{where + checkpoint.Printable(err.Error()), err}
}

type printableError struct {
	text string
	err  error
}

func (e *printableError) Error() string { return e.text }
func (e *printableError) Unwrap() error { return e.err }

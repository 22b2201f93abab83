package hub

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"gossamer/runtime/checkpoint/remote"
)

// explain says what an error of the server means for who wants the model.
func (p *Plan) explain(err error) error {
	var status *remote.StatusError
	switch {
	case errors.As(err, &status):
		if why := p.refusal(status); why != "" {
			return &refusedError{fmt.Sprintf("hub: %s: %s (%d %s)", p.Name, why, status.Status, http.StatusText(status.Status)), err}
		}
	case errors.As(err, new(*remote.ConnectError)):
		hint := "check the connection"
		if p.Name.URL == "" {
			hint += ", or name a mirror in HF_ENDPOINT"
		}
		return fmt.Errorf("hub: %s cannot be reached: %w: %s", p.Host, err, hint)
	case errors.As(err, new(*remote.ProtocolError)):
		hint := "HF_ENDPOINT"
		if p.Name.URL != "" {
			hint = "the URL"
		}
		return fmt.Errorf("hub: %w: check %s", err, hint)
	case remote.Untrusted(err):
		return fmt.Errorf("hub: %s cannot be trusted: %w: check the machine's clock and certificates, and HF_ENDPOINT", p.Host, err)
	}
	return err
}

// refusedError is a refusal in other words than the client's.
type refusedError struct {
	text string
	err  error
}

func (e *refusedError) Error() string { return e.text }
func (e *refusedError) Unwrap() error { return e.err }

// refusal says what a status means; "" where nothing is to be added.
func (p *Plan) refusal(e *remote.StatusError) string {
	page := "https://" + p.Host + "/" + p.Name.Owner + "/" + p.Name.Repo
	switch {
	case p.Name.URL != "":
		return ""
	case !strings.HasPrefix(e.URL, p.hub.endpoint.String()+"/"):
		return "the host that " + p.Host + " sends on to does not give the file: run this again"
	case e.Code == "GatedRepo" || e.Status == http.StatusForbidden:
		if p.hub.token == "" {
			return "its owner wants to know who downloads it: ask for access on " + page + ", and put a token of that account into HF_TOKEN"
		}
		return "the account of HF_TOKEN has no access to it: ask for it on " + page + ", and check what the token may read"
	case e.Code == "RevisionNotFound":
		return fmt.Sprintf("it has no branch, tag or commit %s", p.revision())
	case e.Code == "EntryNotFound":
		return "a file that the list names is not there: run this again later"
	case e.Status == http.StatusUnauthorized && p.hub.token != "":
		return "either the token in HF_TOKEN is not valid any more, or " + p.Host + " has no such repository: check both"
	case e.Status == http.StatusUnauthorized:
		return p.Host + " has no such repository for the public: check the name, or put a token of an account that may read it into HF_TOKEN"
	case e.Status == http.StatusNotFound || e.Status == http.StatusGone:
		return p.Host + " has no such repository: check the name"
	case e.Status == http.StatusUnavailableForLegalReasons:
		return p.Host + " may not give it out, for legal reasons: take another repository, or name a mirror in HF_ENDPOINT"
	case e.Status == http.StatusTooManyRequests:
		if e.Wait() > 0 {
			return fmt.Sprintf("%s has had too many requests and wants to be left alone for %s: run this again then; a token in HF_TOKEN allows more",
				p.Host, e.Wait())
		}
		return p.Host + " has had too many requests: run this again later; a token in HF_TOKEN allows more"
	}
	return ""
}

// Package hub keeps models that are called by names: it asks Hugging Face, or a mirror of it, what a model consists of, downloads what
// is needed of it, compares that with the published hashes, and finds it again without the network.
package hub

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/gguf"
)

// Name says which model is meant: one of a repository of Hugging Face, or one on another web server.
type Name struct {
	Owner, Repo string // of the repository
	Revision    string // a branch, a tag or a commit; "": main
	Choice      string // which of several GGUF models: a file, or its quantisation, such as MXFP4; "": the only one

	URL string // of a model that is in no repository; the other fields are empty then
}

// aliases are the names of the published models, in lower case, besides those of their repositories.
var aliases = map[string]string{
	"gpt-oss-20b": "gpt-oss-20b", "gpt-oss:20b": "gpt-oss-20b", "gpt-oss": "gpt-oss-20b", "gpt-oss:latest": "gpt-oss-20b",
	"gpt-oss-120b": "gpt-oss-120b", "gpt-oss:120b": "gpt-oss-120b",
}

// Hosts of Hugging Face, whose pages are names of repositories.
const (
	hubHost   = "huggingface.co"
	shortHost = "hf.co"
)

const mainRevision = "main"

// ParseName reads what users call a model: gpt-oss-20b, gpt-oss:20b, OWNER/REPO, hf.co/OWNER/REPO, each of the latter two perhaps with
// @REVISION or :CHOICE behind it, the URL of a page or file of Hugging Face, or any other http URL.
func ParseName(text string) (Name, error) {
	if repo, ok := aliases[strings.ToLower(text)]; ok {
		return Name{Owner: "openai", Repo: repo}, nil
	}
	if scheme, _, ok := strings.Cut(text, "://"); ok {
		return parseURL(text, strings.ToLower(scheme))
	}
	for _, host := range []string{shortHost, hubHost} {
		if rest, ok := cutPrefixFold(text, host+"/"); ok {
			return parseRepository(text, strings.TrimSuffix(rest, "/"))
		}
	}
	if !strings.Contains(text, "/") {
		return Name{}, fmt.Errorf("hub: there is no model %s: there are gpt-oss-20b and gpt-oss-120b, and OWNER/REPO names any repository of Hugging Face",
			quoted(text))
	}
	return parseRepository(text, text)
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// quoted is a text of the user in a message, cut where it is long. A login stands before the path of a URL, also of one that lacks its
// scheme; what follows a name's slash and @ is a revision.
func quoted(text string) string {
	host, _, _ := strings.Cut(text, "/")
	if strings.Contains(text, "://") || strings.Contains(host, "@") {
		text = checkpoint.WithoutLogin(text)
	}
	return fmt.Sprintf("%.200q", text)
}

var (
	// repoPart matches the names of owners and repositories.
	repoPart = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,94}[A-Za-z0-9])?$`)
	// revisionName matches branches, tags and commits, without what git forbids in them.
	revisionName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,198}[A-Za-z0-9])?$`)
	// choiceName matches files and quantisations.
	choiceName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9 ._/+-]{0,198}[A-Za-z0-9])?$`)
)

// parseRepository reads OWNER/REPO[@REVISION][:CHOICE].
func parseRepository(text, rest string) (Name, error) {
	var n Name
	rest, n.Choice, _ = strings.Cut(rest, ":")
	rest, n.Revision, _ = strings.Cut(rest, "@")
	n.Owner, n.Repo, _ = strings.Cut(rest, "/")
	if strings.HasSuffix(text, ":") || strings.HasSuffix(text, "@") {
		return Name{}, fmt.Errorf("hub: %s ends too early: want OWNER/REPO, perhaps with @REVISION or :FILE behind it", quoted(text))
	}
	return n.check(text)
}

// check refuses names that cannot be of a repository.
func (n Name) check(text string) (Name, error) {
	for _, part := range []string{n.Owner, n.Repo} {
		if !repoPart.MatchString(part) || gguf.Named(part) || strings.Contains(part, "..") || strings.Contains(part, "--") {
			return Name{}, fmt.Errorf("hub: %s is no repository of Hugging Face: want OWNER/REPO, such as openai/gpt-oss-20b", quoted(text))
		}
	}
	if n.Revision == mainRevision {
		n.Revision = ""
	}
	if n.Revision != "" && (!revisionName.MatchString(n.Revision) || strings.Contains(n.Revision, "..") || strings.Contains(n.Revision, "//")) {
		return Name{}, fmt.Errorf("hub: %s: %.100q is no branch, tag or commit", quoted(text), n.Revision)
	}
	if n.Choice != "" && (!choiceName.MatchString(n.Choice) || strings.Contains(n.Choice, "..") || strings.Contains(n.Choice, "//")) {
		return Name{}, fmt.Errorf("hub: %s: %.100q is no file and no quantisation: want a name such as MXFP4 behind the colon", quoted(text), n.Choice)
	}
	return n, nil
}

// parseURL reads a URL, of Hugging Face or of another host.
func parseURL(text, scheme string) (Name, error) {
	refuse := func(why string) (Name, error) { return Name{}, fmt.Errorf("hub: URL %s: %s", quoted(text), why) }
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return refuse("this is not one")
	case scheme != "http" && scheme != "https" || u.Host == "":
		return refuse("want http:// or https:// and a host")
	case u.User != nil:
		return refuse("others can see the user and password in it: leave them out, and put them into the file .netrc in your home directory")
	}
	host := strings.ToLower(strings.TrimPrefix(strings.ToLower(u.Host), "www."))
	if host != hubHost && host != shortHost {
		if u.RawQuery != "" || u.Fragment != "" {
			return refuse("a model's URL has neither ? nor #")
		}
		return Name{URL: text}, nil
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	n := Name{}
	switch {
	case len(parts) == 2:
		if parts[1], n.Choice, _ = strings.Cut(parts[1], ":"); strings.Contains(parts[1], "@") {
			parts[1], n.Revision, _ = strings.Cut(parts[1], "@")
		}
	case len(parts) >= 4 && parts[2] == "tree":
		n.Revision = strings.Join(parts[3:], "/")
	case len(parts) >= 5 && (parts[2] == "resolve" || parts[2] == "blob"):
		n.Revision, n.Choice = parts[3], strings.Join(parts[4:], "/")
		if !gguf.Named(n.Choice) { // of safetensors, what belongs together is taken
			n.Choice = ""
		}
	default:
		return refuse("this is no page of a model: want https://" + hubHost + "/OWNER/REPO")
	}
	n.Owner, n.Repo = parts[0], parts[1]
	return n.check(text)
}

// String is the name as ParseName reads it.
func (n Name) String() string {
	if n.URL != "" {
		return n.URL
	}
	text := n.Owner + "/" + n.Repo
	if n.Revision != "" {
		text += "@" + n.Revision
	}
	if n.Choice != "" {
		text += ":" + n.Choice
	}
	return text
}

// short names the model for programs that use it: the repository without its owner.
func (n Name) short() string {
	if n.URL != "" {
		return path.Base(strings.TrimRight(n.URL, "/"))
	}
	return n.Repo
}

// Packed says that the name is the URL of a directory with a packed model, or of a repository elsewhere, which package remote opens.
func (n Name) Packed() bool { return n.URL != "" && !gguf.Named(n.URL) }

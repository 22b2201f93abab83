package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// login is what a server wants of a user. The zero value is none.
type login struct{ user, password string }

// loginFor looks a host up in the user's .netrc: the file that $NETRC names, or .netrc (on Windows _netrc) in the home directory. Its
// entry "default" is not used, because it would give a password to any host.
func loginFor(host string) (login, error) {
	name := os.Getenv("NETRC")
	if name == "" {
		name = ".netrc"
		if runtime.GOOS == "windows" {
			name = "_netrc"
		}
		home, err := os.UserHomeDir()
		if err != nil { // without a home there is no such file
			return login{}, nil
		}
		name = filepath.Join(home, name)
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return login{}, nil
	}
	if err != nil {
		return login{}, fmt.Errorf("checkpoint: logins: %w", err)
	}
	return parseNetrc(string(data), host), nil
}

// parseNetrc reads the first entry of a host: "machine HOST login USER password PASSWORD", on one line or more.
func parseNetrc(text, host string) login {
	var words []string
	macro := false
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if macro = macro && len(fields) > 0; macro { // a macro ends with an empty line
			continue
		}
		for _, w := range fields {
			if macro = w == "macdef"; macro || strings.HasPrefix(w, "#") && len(words)%2 == 0 { // a comment, not a password
				break
			}
			if words = append(words, w); w == "default" {
				words = append(words, "") // it has no name
			}
		}
	}
	var found login
	mine := false
	for i := 0; i+1 < len(words); i += 2 {
		switch key, value := words[i], words[i+1]; {
		case key == "machine" || key == "default":
			if mine {
				return found
			}
			mine = key == "machine" && strings.EqualFold(value, host)
		case mine && key == "login":
			found.user = value
		case mine && key == "password":
			found.password = value
		}
	}
	return found
}

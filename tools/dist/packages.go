package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// systemPackages writes a deb and an rpm for each build for Linux.
func (r *release) systemPackages(builds []*build) error {
	out, err := filepath.Abs(r.out)
	if err != nil {
		return err
	}
	for _, b := range builds {
		if b.OS != "linux" || b.Second {
			continue
		}
		root := filepath.Join(out, filepath.Base(r.work), b.Folder+"-root")
		if err := layOut(root, b.files, r.time); err != nil {
			return err
		}
		data := struct {
			*release
			*build
			Root, Time string
		}{r, b, root, r.time.Format(time.RFC3339)}
		config, err := fill("nfpm.yaml", data)
		if err != nil {
			return err
		}
		path := filepath.Join(root, "nfpm.yaml")
		if err := os.WriteFile(path, config, 0o644); err != nil {
			return err
		}
		for _, format := range []string{"deb", "rpm"} {
			to := filepath.Join(out, b.Folder+"."+format)
			environ := []string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.time.Unix()), "GOFLAGS=-buildvcs=false"}
			if _, err := command("tools/dist/packages", environ, "go", "tool", "nfpm", "package", "-f", path, "-p", format, "-t", to); err != nil {
				return err
			}
		}
	}
	return nil
}

// layOut writes files as a package for a Linux system has them: those of an archive, and the service.
func layOut(root string, files []file, modified time.Time) error {
	unit, err := os.ReadFile("deploy/systemd/gossamer.service")
	if err != nil {
		return err
	}
	settings, err := os.ReadFile("deploy/systemd/gossamer.env")
	if err != nil {
		return err
	}
	const local, packaged = "ExecStart=/usr/local/bin/", "ExecStart=/usr/bin/"
	if !strings.Contains(string(unit), local) {
		return fmt.Errorf("deploy/systemd/gossamer.service has no %s", local)
	}
	all := append([]file{
		{"usr/lib/systemd/system/gossamer.service", 0o644, []byte(strings.Replace(string(unit), local, packaged, 1))},
		{"usr/share/doc/gossamer/gossamer.env", 0o644, settings},
	}, files...)
	places := map[string]string{
		"completions/gossamer":      "usr/share/bash-completion/completions/gossamer",
		"completions/_gossamer":     "usr/share/zsh/vendor-completions/_gossamer",
		"completions/gossamer.fish": "usr/share/fish/vendor_completions.d/gossamer.fish",
		"gossamer":                  "usr/bin/gossamer",
		"LICENSE":                   "usr/share/doc/gossamer/copyright", // as Debian calls it
	}
	for _, f := range all {
		name := f.name
		switch page, isPage := strings.CutPrefix(name, "man/"); {
		case places[name] != "":
			name = places[name]
		case isPage:
			name = "usr/share/man/man1/" + page
		case !strings.HasPrefix(name, "usr/"):
			name = "usr/share/doc/gossamer/" + name
		}
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := errors.Join(os.WriteFile(path, f.data, f.mode), os.Chtimes(path, modified, modified)); err != nil {
			return err
		}
	}
	return nil
}

// manifests writes what package managers read: where the archives are, and their hashes.
func (r *release) manifests(builds []*build) error {
	data := struct {
		*release
		Date      string
		Builds    map[string]*build   // by OS-arch
		Platforms map[string][]*build // by Homebrew's name of the system
	}{r, r.time.Format(time.DateOnly), map[string]*build{}, map[string][]*build{}}
	for _, b := range builds {
		if b.Second {
			continue
		}
		data.Builds[b.OS+"-"+b.Arch] = b
		if on := map[string]string{"linux": "linux", "darwin": "macos"}[b.OS]; on != "" {
			data.Platforms[on] = append(data.Platforms[on], b)
		}
	}
	names := []string{"homebrew/gossamer.rb"}
	if data.Builds["windows-amd64"] != nil {
		names = append(names, "scoop/gossamer.json", "winget/Gossamer.Gossamer.yaml", "winget/Gossamer.Gossamer.installer.yaml",
			"winget/Gossamer.Gossamer.locale.en-US.yaml")
	}
	for _, name := range names {
		text, err := fill(filepath.Base(name), data)
		if err != nil {
			return err
		}
		path := filepath.Join(r.out, "manifests", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

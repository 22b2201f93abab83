package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// npmManifest is a package.json.
type npmManifest struct {
	Name                 string            `json:"name"`
	Version              string            `json:"version"`
	Description          string            `json:"description"`
	License              string            `json:"license"`
	Bin                  map[string]string `json:"bin,omitempty"`
	Files                []string          `json:"files"`
	OS                   []string          `json:"os,omitempty"`
	CPU                  []string          `json:"cpu,omitempty"`
	Engines              map[string]string `json:"engines,omitempty"`
	OptionalDependencies map[string]string `json:"optionalDependencies,omitempty"`
}

const npmDescription = "Runs OpenAI's gpt-oss models: chat, server, tools."

// npmPlatform says what Node.js calls a platform.
func npmPlatform(t target) (system, cpu string) {
	system, cpu = t.OS, t.Arch
	if system == "windows" {
		system = "win32"
	}
	if cpu == "amd64" {
		cpu = "x64"
	}
	return system, cpu
}

// npmPackages writes gossamer-cli, of whose optional dependencies npm installs the one with this platform's program.
func (r *release) npmPackages(builds []*build) error {
	main := npmManifest{Name: "gossamer-cli", Version: r.Version, Description: npmDescription, License: "Apache-2.0",
		Bin: map[string]string{"gossamer": "launcher.js"}, Files: []string{"launcher.js"}, Engines: map[string]string{"node": ">=20"},
		OptionalDependencies: map[string]string{}}
	for _, b := range builds {
		if b.Second {
			continue
		}
		system, cpu := npmPlatform(b.target)
		one := npmManifest{Name: "gossamer-cli-" + system + "-" + cpu, Version: r.Version, License: main.License, OS: []string{system}, CPU: []string{cpu},
			Description: "The program of gossamer-cli for " + system + "-" + cpu + ".", Files: []string{b.Executable(), "NOTICE"}}
		main.OptionalDependencies[one.Name] = r.Version
		var files []file
		for _, f := range b.files {
			if f.name == b.Executable() || f.name == "NOTICE" || f.name == "LICENSE" || f.name == "README.md" {
				files = append(files, f)
			}
		}
		if err := r.npmPackage(one, files); err != nil {
			return err
		}
	}
	launcher, err := templates.ReadFile("templates/launcher.js")
	if err != nil {
		return err
	}
	licence, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	readme := "# Gossamer\n\n" + npmDescription + "\n\n    npx gossamer-cli --help\n\nThe package `gossamer` is the one for web pages.\n"
	return r.npmPackage(main, []file{{"launcher.js", 0o755, launcher}, {"LICENSE", 0o644, licence}, {"README.md", 0o644, []byte(readme)}})
}

// npmPackage writes a package as npm pack does.
func (r *release) npmPackage(m npmManifest, files []file) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	files = append([]file{{"package.json", 0o644, append(text, '\n')}}, files...)
	dir := filepath.Join(r.out, "npm")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return writeArchive(filepath.Join(dir, m.Name+"-"+m.Version+".tgz"), "package", files, r.time)
}

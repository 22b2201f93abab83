package hub

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"gossamer/runtime/checkpoint"
	"gossamer/runtime/checkpoint/gguf"
	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/checkpoint/safetensors"
)

// File is one file of a model.
type File struct {
	Path  string `json:"path"` // in the repository
	Bytes int64  `json:"bytes"`
	// What is published of its bytes: SHA-256 of files in Git LFS, else the hash that git calls them by; neither of a file elsewhere.
	SHA256 string `json:"sha256,omitempty"`
	Blob   string `json:"git_blob,omitempty"`
	// Seen is the SHA-256 that a file had whose hash nobody publishes, when it was downloaded.
	Seen string `json:"seen_sha256,omitempty"`
	// Version identifies the bytes of an incomplete file for the server: its ETag, or when it was changed.
	Version string `json:"version,omitempty"`
}

// maxFiles is above the files of any repository with a model.
const maxFiles = 100_000

var (
	sha256Text = regexp.MustCompile(`^[0-9a-f]{64}$`)
	sha1Text   = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// parseList reads a page of a repository's file list, as Hugging Face's API writes it. Only files are returned.
func parseList(data []byte) ([]File, error) {
	var entries []struct {
		Type string `json:"type"`
		Path string `json:"path"`
		Size int64  `json:"size"`
		OID  string `json:"oid"`
		LFS  *struct {
			OID  string `json:"oid"`
			Size int64  `json:"size"`
		} `json:"lfs"`
	}
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, fmt.Errorf("hub: the list of files cannot be read: %.300s", checkpoint.Printable(err.Error()))
	}
	var files []File
	for _, e := range entries {
		if e.Type != "file" {
			continue
		}
		f := File{Path: e.Path, Bytes: e.Size, Blob: e.OID}
		if e.LFS != nil {
			f.Bytes, f.SHA256, f.Blob = e.LFS.Size, strings.TrimPrefix(e.LFS.OID, "sha256:"), ""
		}
		switch {
		case f.Bytes < 0:
			return nil, fmt.Errorf("hub: the list of files says that %.100q has %d bytes", f.Path, f.Bytes)
		case e.LFS != nil && !sha256Text.MatchString(f.SHA256), e.LFS == nil && !sha1Text.MatchString(f.Blob):
			return nil, fmt.Errorf("hub: the list of files has no hash of %.100q", f.Path)
		}
		files = append(files, f)
	}
	return files, nil
}

// local is the path of a file in the model's folder: its name, and for the chunks of a packed model their folder too.
func (f *File) local() string {
	if dir, name := path.Split(f.Path); dir == chunkDir {
		return dir + name
	}
	return path.Base(f.Path)
}

const (
	chunkDir    = "chunks/" // of a packed model
	originalDir = "original/"
	singleName  = "model.safetensors"
	indexName   = "model.safetensors.index.json"
	suffix      = ".safetensors"
)

// beside are further files that are of use, where a repository has them.
var beside = []string{"generation_config.json", "chat_template.jinja"}

// shardName matches the weights that an index names, as they are published.
var shardName = regexp.MustCompile(`^model-\d+-of-\d+\.safetensors$`)

// choose returns the files of a repository that are needed to run its model, and the one to open if that is a GGUF file.
func choose(files []File, n Name) (need []File, open string, err error) {
	for i := range files {
		if !usable(files[i].Path) { // it will not be asked for, but it may stand for something that is missed
			files[i].Path = ""
		}
	}
	if n.Choice == "" {
		for _, folder := range []string{"", originalDir} {
			if need := chooseWeights(files, folder); need != nil {
				return need, "", distinct(need)
			}
		}
	}
	need, err = chooseGGUF(files, n)
	if err != nil {
		return nil, "", err
	}
	return need, need[0].local(), distinct(need)
}

// usable says that a path can be a file's below the model's folder on every system.
func usable(name string) bool {
	return len(name) <= 300 && path.Clean("/"+name) == "/"+name && !strings.ContainsAny(name, `\:*?"<>|`) && checkpoint.Printable(name) == name &&
		!strings.HasSuffix(name, checkpoint.PartExt) && !strings.HasPrefix(path.Base(name), ".")
}

// distinct refuses files that would have one name in the model's folder, also where case does not count, or that of the record.
func distinct(need []File) error {
	seen := map[string]bool{recordName: true}
	for i := range need {
		name := strings.ToLower(need[i].local())
		if seen[name] {
			return fmt.Errorf("hub: the repository has two files with the name %s", need[i].local())
		}
		seen[name] = true
	}
	return nil
}

// chooseWeights returns the safetensors files, or the chunks, in a folder with what belongs to them; nil if there are none.
func chooseWeights(files []File, folder string) []File {
	byName := map[string]File{}
	var shards, chunks, weights []File
	for _, f := range files {
		name, ok := strings.CutPrefix(f.Path, folder)
		switch {
		case !ok:
		case strings.HasPrefix(name, chunkDir) && folder == "":
			chunks = append(chunks, f)
		case strings.Contains(name, "/"):
		default:
			byName[name] = f
			if strings.HasSuffix(name, suffix) {
				weights = append(weights, f)
			}
			if shardName.MatchString(name) {
				shards = append(shards, f)
			}
		}
	}
	_, config := byName[safetensors.ConfigName]
	_, manifest := byName[packed.ManifestName]
	single, one := byName[singleName]
	_, index := byName[indexName]
	switch {
	case one:
		weights = []File{single}
	case index && len(shards) > 0:
		weights = append(shards, byName[indexName])
	case len(weights) == 0 && manifest && len(chunks) > 0:
		return append(chunks, byName[packed.ManifestName])
	}
	if len(weights) == 0 || !config {
		return nil
	}
	weights = append(weights, byName[safetensors.ConfigName])
	for _, name := range append(beside, packed.ManifestName) {
		if f, ok := byName[name]; ok {
			weights = append(weights, f)
		}
	}
	return weights
}

// partNumber matches the numbers in the names of a GGUF model's files.
var partNumber = regexp.MustCompile(`-\d{5}-of-\d{5}\.gguf$`)

// modelFile is the name of a GGUF model, whether it is in one file or in several.
func modelFile(name string) string { return partNumber.ReplaceAllString(name, ".gguf") }

// chooseGGUF returns the files of the GGUF model that is meant, the first one first.
func chooseGGUF(files []File, n Name) ([]File, error) {
	models := map[string][]File{} // by the name without the part's number
	for _, f := range files {
		if gguf.Named(f.Path) && !strings.HasPrefix(strings.ToLower(path.Base(f.Path)), "mmproj") {
			model := modelFile(f.Path)
			models[model] = append(models[model], f)
		}
	}
	var fitting, all []string
	for model, parts := range models {
		all = append(all, model)
		if meant(model, parts, n.Choice) {
			fitting = append(fitting, model)
		}
	}
	slices.Sort(all)
	if len(fitting) > 1 { // the published precision, if there is one of it
		if i := slices.IndexFunc(fitting, func(m string) bool { return n.Choice == "" && quantised(m, "MXFP4") }); i >= 0 {
			fitting = fitting[i : i+1]
		}
	}
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("hub: %s has no weights that gossamer reads: neither %s and safetensors files, nor GGUF files, nor a packed model",
			n, safetensors.ConfigName)
	case len(fitting) == 0:
		return nil, fmt.Errorf("hub: %s/%s has no GGUF model %s: it has %s", n.Owner, n.Repo, n.Choice, listed(all))
	case len(fitting) > 1:
		return nil, fmt.Errorf("hub: %s has %d GGUF models: name one behind a colon, such as %s/%s:%s; there are %s", n, len(fitting), n.Owner, n.Repo,
			fitting[0], listed(all))
	}
	parts := models[fitting[0]]
	slices.SortFunc(parts, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return parts, unreadable(parts[0].Path)
}

// meant says whether a choice stands for a model: no choice, its file or one of them, or its quantisation.
func meant(model string, parts []File, choice string) bool {
	same := func(name string) bool {
		return strings.EqualFold(name, choice) || strings.EqualFold(path.Base(name), choice)
	}
	return choice == "" || same(model) || same(strings.TrimSuffix(model, ".gguf")) || quantised(model, choice) ||
		slices.ContainsFunc(parts, func(f File) bool { return same(f.Path) })
}

// quantised says whether the quantisation is the last word of a model's name.
func quantised(model, quantisation string) bool {
	name := strings.ToLower(strings.TrimSuffix(path.Base(model), ".gguf"))
	word, ok := strings.CutSuffix(name, strings.ToLower(quantisation))
	return ok && (word == "" || strings.HasSuffix(word, "-") || strings.HasSuffix(word, ".") || strings.HasSuffix(word, "_"))
}

// otherTypes matches quantisations that gossamer does not read.
var otherTypes = regexp.MustCompile(`(?i)[-._](I?Q[1-7]_\w+|TQ\d_\d|Q8_1|Q8_K\w*)\.gguf$`)

// unreadable refuses a GGUF file whose name says that it has other types of numbers than gossamer reads, before it is downloaded.
func unreadable(name string) error {
	if m := otherTypes.FindStringSubmatch(modelFile(name)); m != nil {
		return fmt.Errorf("hub: %s is quantised as %s, which gossamer does not read: take the published safetensors, or a GGUF file with %s",
			name, m[1], "MXFP4 experts and the rest in F16, BF16, F32 or Q8_0")
	}
	return nil
}

// listed are some names for a message.
func listed(names []string) string {
	const few = 12
	text := strings.Join(names[:min(few, len(names))], ", ")
	if len(names) > few {
		text += fmt.Sprintf(" and %d more", len(names)-few)
	}
	return text
}

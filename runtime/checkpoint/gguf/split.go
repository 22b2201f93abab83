package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"

	"gossamer/runtime/checkpoint"
)

// maxParts is the most files that a model may be split into; those of gpt-oss-120b are published in two to four.
const maxParts = 512

// partNames are the names of split files, as llama-gguf-split writes them and llama.cpp finds the others.
var partNames = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})(?i:\.gguf)$`)

// part is what a file's name says about the model that it belongs to.
type part struct {
	model     string // the name without the part's number
	no, count int    // from 1 on; 0 of a model in one file
}

func partOf(name string) part {
	m := partNames.FindStringSubmatch(name)
	if m == nil {
		return part{model: name}
	}
	no, _ := strconv.Atoi(m[2]) // digits, as the pattern says
	count, _ := strconv.Atoi(m[3])
	return part{m[1] + "-of-" + m[3], no, count}
}

// readModel reads the header of a file, and those of the other files if it is one of several. The first file has the metadata; the
// others say which part they are.
func readModel(fsys fs.FS, dir, name string) (*header, []string, error) {
	h, err := readFile(fsys, name, maxHeader)
	if err != nil {
		return nil, nil, fileError(dir, name, err)
	}
	count, split := h.values["split.count"].(int64)
	if !split || count <= 1 {
		return h, []string{name}, nil
	}
	if p := partOf(name); count > maxParts || int64(p.count) != count {
		return nil, nil, fileError(dir, name, fmt.Errorf("this is one of %d files, which its name must say as it was published: MODEL-00001-of-%05d.gguf", count, count))
	}
	m := partNames.FindStringSubmatch(name)
	var files []string
	model := &header{tensors: map[string]tensorInfo{}}
	for i := range int(count) {
		file := fmt.Sprintf("%s-%05d-of-%s%s", m[1], i+1, m[3], name[len(name)-len(extension):])
		files = append(files, file)
		if h, err = readFile(fsys, file, maxHeader-model.bytes); err == nil {
			err = model.addPart(h, i, count)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("this part of the model is missing: download it into the directory of %s", name)
		}
		if err != nil {
			return nil, nil, fileError(dir, file, err)
		}
	}
	if n, ok := model.values["split.tensors.count"].(int64); ok && n != int64(len(model.tensors)) {
		return nil, nil, fileError(dir, files[0], fmt.Errorf("the model has %d tensors, its parts have %d: download all of them again", n, len(model.tensors)))
	}
	return model, files, nil
}

// addPart adds what part no of count, from 0 on, has.
func (h *header) addPart(p *header, no int, count int64) error {
	if p.values["split.no"] != any(int64(no)) || p.values["split.count"] != any(count) {
		return fmt.Errorf("by its contents this is not part %d of %d: download it again, or give it the name that it was published with", no+1, count)
	}
	h.bytes += p.bytes
	if no == 0 {
		h.values = p.values
	}
	for name, t := range p.tensors {
		if _, ok := h.tensors[name]; ok {
			return fmt.Errorf("tensor %q is in another part, too: download all of them again", name)
		}
		if len(h.tensors) == maxInfos {
			return fmt.Errorf("the parts have more than %d tensors: this is not gpt-oss", maxInfos)
		}
		t.file = no
		h.tensors[name] = t
	}
	return nil
}

func readFile(fsys fs.FS, name string, limit int64) (*header, error) {
	f, size, err := checkpoint.OpenRegular(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readHeader(f, size, limit)
}

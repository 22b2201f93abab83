package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// historyLength is how many prompts are offered again.
const historyLength = 1000

// History are the prompts of earlier, oldest first, kept in a file that only the user can read: a JSON string a line.
type History struct {
	file  string // "": nowhere
	lines []string
}

// OpenHistory reads a file, which need not exist; "" keeps nothing. The History can be used also if there is an error.
func OpenHistory(file string) (*History, error) {
	h := &History{file: file}
	if file == "" {
		return h, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return &History{}, err
	}
	count := 0
	for line := range bytes.Lines(data) {
		var text string
		if json.Unmarshal(line, &text) == nil && text != "" { // what another program wrote is passed over
			h.lines = append(h.lines, text)
		}
		count++
	}
	h.lines = slices.Clone(h.lines[max(0, len(h.lines)-historyLength):])
	if count > 2*historyLength {
		return h, h.rewrite()
	}
	return h, nil
}

// rewrite drops what is too old from the file.
func (h *History) rewrite() error {
	var b bytes.Buffer
	for _, line := range h.lines {
		b.Write(encodeLine(line))
	}
	return WriteFile(h.file, b.Bytes())
}

// WriteFile replaces a file of the user's own, at once.
func WriteFile(name string, data []byte) error {
	part, err := os.CreateTemp(filepath.Dir(name), ".part-*") // for the user alone
	if err != nil {
		return err
	}
	_, err = part.Write(data)
	if err = errors.Join(err, part.Close()); err == nil {
		err = os.Rename(part.Name(), name)
	}
	if err != nil {
		os.Remove(part.Name())
	}
	return err
}

func encodeLine(text string) []byte {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string is always JSON
	}
	return append(data, '\n')
}

// add adds a prompt, unless it is the last one again.
func (h *History) add(text string) error {
	if text == "" || len(h.lines) > 0 && h.lines[len(h.lines)-1] == text {
		return nil
	}
	h.lines = append(h.lines, text)
	if h.file == "" {
		return nil
	}
	f, err := os.OpenFile(h.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(encodeLine(text))
	return errors.Join(err, f.Close())
}

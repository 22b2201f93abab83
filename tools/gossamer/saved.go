package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"gossamer/runtime/chat"
	"gossamer/runtime/jsonerror"
	"gossamer/tools/gossamer/internal/terminal"
)

// stateDir is where the command keeps what it should know the next time, for the user alone.
func stateDir() (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("%w: set it, or XDG_STATE_HOME to the whole path of a directory", err)
		}
		switch runtime.GOOS {
		case "windows":
			base = cmp.Or(os.Getenv("LocalAppData"), filepath.Join(home, "AppData", "Local"))
		case "darwin":
			base = filepath.Join(home, "Library", "Application Support")
		default:
			base = filepath.Join(home, ".local", "state")
		}
	}
	dir := filepath.Join(base, "gossamer")
	return dir, os.MkdirAll(filepath.Join(dir, "chats"), 0o700)
}

// saved is a conversation in a file.
type saved struct {
	Version      int            `json:"version"` // 1
	Model        string         `json:"model"`
	Instructions string         `json:"instructions,omitempty"`
	Effort       chat.Effort    `json:"effort,omitempty"`
	Messages     []savedMessage `json:"messages"`
	Waiting      []string       `json:"waiting,omitempty"` // prompts that were entered behind them

	sum checksum // of the file as it was last read or written here; zero: not yet
}

type checksum [sha256.Size]byte

type savedMessage struct {
	Role       chat.Role   `json:"role"`
	Content    string      `json:"content"`
	Name       string      `json:"name,omitempty"`
	Reasoning  string      `json:"reasoning,omitempty"`
	ToolCalls  []savedCall `json:"tool_calls,omitempty"`
	ToolCallID string      `json:"tool_call_id,omitempty"`
}

type savedCall struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// errChanged says that a file is not as it was last read or written here.
var errChanged = errors.New("another program has written the file")

// write replaces a file, or returns errChanged. Programs that give the same lock, a file's name, or "", do not write at the same time.
func (s *saved) write(lock, name string, messages []chat.Message) error {
	s.Version = 1
	s.Messages = []savedMessage{}
	for _, m := range messages {
		kept := savedMessage{Role: m.Role, Content: m.Content, Name: m.Name, Reasoning: m.Reasoning, ToolCallID: m.ToolCallID}
		for _, c := range m.ToolCalls {
			kept.ToolCalls = append(kept.ToolCalls, savedCall(c))
		}
		s.Messages = append(s.Messages, kept)
	}
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if lock != "" {
		l := flock.New(lock)
		if l.Lock() == nil { // else the file system has no locks: what others have written before is seen nevertheless
			defer l.Unlock()
		}
	}
	switch there, err := readRegular(name); {
	case errors.Is(err, fs.ErrNotExist): // nothing of anybody's is lost
	case err != nil:
		return err
	case sha256.Sum256(there) != s.sum:
		return errChanged
	}
	if err := terminal.WriteFile(name, data); err != nil {
		return err
	}
	s.sum = sha256.Sum256(data)
	return nil
}

// readSaved reads a conversation. Prompts at its end that got no answer are returned apart, and calls without results are left out.
func readSaved(name string) (s saved, messages []chat.Message, unanswered []string, err error) {
	data, err := readRegular(name)
	if err != nil {
		return s, nil, nil, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, nil, nil, fmt.Errorf("%s is no conversation: %w", name, jsonerror.Plain(err))
	}
	s.sum = sha256.Sum256(data)
	if s.Version != 1 {
		return s, nil, nil, fmt.Errorf("%s is no conversation of this version: \"version\" is %d, want 1", name, s.Version)
	}
	for i, kept := range s.Messages {
		if kept.Role != chat.User && kept.Role != chat.Assistant && kept.Role != chat.Tool {
			return s, nil, nil, fmt.Errorf("%s is no conversation: \"messages\"[%d] has the role %q, want user, assistant or tool", name, i, kept.Role)
		}
		m := chat.Message{Role: kept.Role, Content: kept.Content, Name: kept.Name, Reasoning: kept.Reasoning, ToolCallID: kept.ToolCallID}
		for _, c := range kept.ToolCalls {
			m.ToolCalls = append(m.ToolCalls, chat.ToolCall(c))
		}
		messages = append(messages, m)
	}
	messages, last := whole(messages)
	if last != "" {
		unanswered = append(unanswered, last)
	}
	return s, messages, append(unanswered, s.Waiting...), nil
}

// whole returns the part of a conversation in which everything is answered, and the prompt behind it.
func whole(messages []chat.Message) ([]chat.Message, string) {
	for n := len(messages); n > 0; n-- {
		last := messages[n-1]
		if last.Role == chat.Assistant && len(last.ToolCalls) == 0 {
			return messages[:n], ""
		}
		if last.Role == chat.User {
			return messages[:n-1], last.Content
		}
	}
	return nil, ""
}

// errNoPlace says that conversations have files only where the user names them.
var errNoPlace = errors.New("conversations are not kept here: give a file whose name ends in .json")

// chatFile is the file that a name of the user's means.
func chatFile(dir, name string) (string, error) {
	switch {
	case strings.HasSuffix(name, ".json"):
		return name, nil
	case name == "." || name == ".." || strings.ContainsAny(name, `/\`):
		return "", fmt.Errorf("%s is no name of a conversation: give one without slashes, or a file whose name ends in .json", name)
	case dir == "":
		return "", errNoPlace
	}
	return filepath.Join(dir, "chats", name+".json"), nil
}

// newChatFile is a name in a directory that no other conversation has.
func newChatFile(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%d.json", time.Now().Format("20060102-150405.000"), os.Getpid()))
}

// savedChats are the names of all conversations, the latest first.
func savedChats(dir string) ([]string, error) {
	if dir == "" {
		return nil, errNoPlace
	}
	entries, err := os.ReadDir(filepath.Join(dir, "chats"))
	if err != nil {
		return nil, err
	}
	type chatTime struct {
		name string
		time time.Time
	}
	var all []chatTime
	for _, e := range entries {
		info, err := e.Info()
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if err != nil || !ok || !info.Mode().IsRegular() {
			continue
		}
		all = append(all, chatTime{name, info.ModTime()})
	}
	slices.SortFunc(all, func(a, b chatTime) int { return cmp.Or(b.time.Compare(a.time), strings.Compare(b.name, a.name)) })
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	return names, nil
}

// makeLatest makes a file that was just written the latest of its directory, also where the clock was set back since others were written.
func makeLatest(file string) {
	info, err := os.Stat(file)
	entries, _ := os.ReadDir(filepath.Dir(file))
	if err != nil {
		return
	}
	latest := info.ModTime()
	for _, e := range entries {
		if other, err := e.Info(); err == nil && e.Name() != info.Name() && !other.ModTime().Before(latest) {
			latest = other.ModTime().Add(time.Millisecond)
		}
	}
	if !latest.Equal(info.ModTime()) {
		os.Chtimes(file, latest, latest) // else the other one is continued, and /load goes on with this one
	}
}

// errNoChat says that there is nothing to continue.
var errNoChat = errors.New("there is no conversation to continue: begin one without --continue")

// lastChat is the file of the latest conversation.
func lastChat(dir string) (string, error) {
	names, err := savedChats(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if len(names) == 0 {
		return "", errNoChat
	}
	return filepath.Join(dir, "chats", names[0]+".json"), nil
}

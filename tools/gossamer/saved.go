package main

import (
	"cmp"
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

	"gossamer/runtime/chat"
	"gossamer/tools/gossamer/internal/terminal"
)

// stateDir is where the command keeps what it should know the next time, for the user alone.
func stateDir() (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
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
}

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

// write replaces a file.
func (s *saved) write(name string, messages []chat.Message) error {
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
	return terminal.WriteFile(name, append(data, '\n'))
}

// readSaved reads a conversation. A prompt at its end that got no answer is returned apart, and calls without results are left out.
func readSaved(name string) (s saved, messages []chat.Message, unanswered string, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return s, nil, "", err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, nil, "", fmt.Errorf("%s is no conversation: %w", name, err)
	}
	if s.Version != 1 {
		return s, nil, "", fmt.Errorf("%s is no conversation of this version: \"version\" is %d, want 1", name, s.Version)
	}
	for i, kept := range s.Messages {
		if kept.Role != chat.User && kept.Role != chat.Assistant && kept.Role != chat.Tool {
			return s, nil, "", fmt.Errorf("%s is no conversation: \"messages\"[%d] has the role %q, want user, assistant or tool", name, i, kept.Role)
		}
		m := chat.Message{Role: kept.Role, Content: kept.Content, Name: kept.Name, Reasoning: kept.Reasoning, ToolCallID: kept.ToolCallID}
		for _, c := range kept.ToolCalls {
			m.ToolCalls = append(m.ToolCalls, chat.ToolCall(c))
		}
		messages = append(messages, m)
	}
	messages, unanswered = whole(messages)
	return s, messages, unanswered, nil
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

// chatFile is the file that a name of the user's means.
func chatFile(dir, name string) string {
	if strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, ".json") {
		return name
	}
	return filepath.Join(dir, "chats", name+".json")
}

// newChatFile is a name that no other conversation has.
func newChatFile(dir string) string {
	return filepath.Join(dir, "chats", fmt.Sprintf("%s-%d.json", time.Now().Format("20060102-150405.000"), os.Getpid()))
}

// savedChats are the names of all conversations, the latest first.
func savedChats(dir string) ([]string, error) {
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
	return chatFile(dir, names[0]), nil
}

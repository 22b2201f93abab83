package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gossamer/runtime/chat"
	"gossamer/runtime/testenv"
)

// turns answers the second prompt of a conversation.
const turns = `{"name": "turn", "when": {"turn": 1}, "reply": [{"text": "<|channel|>final<|message|>Turn two: {user}"}]}`

// TestChatContinues the last conversation, or one by its name.
func TestChatContinues(t *testing.T) {
	m := openTmux(t, "80", "40")
	m.file(filepath.Join(m.dir, "plays.json"), `{"version": 1, "plays": [`+echoes+`]}`, 0o666)
	m.enter("gossamer chat --playback plays.json -c; echo status=$?.")
	m.see("there is no conversation to continue", "status=1.")
	m.chat(turns+","+echoes, "--effort low")
	m.enter("first")
	m.see("You said: first")
	m.enter("/save one")
	m.see("Kept in ")
	m.enter("/new")
	m.see("A new conversation.")
	m.enter("other")
	m.see("You said: other")
	m.enter("/save one")
	m.see("one.json is there already")
	m.seeEnd(prompt)
	m.leave()
	all := m.saved()
	if one := all["one.json"]; len(all) != 3 || one.Effort != chat.Low || !slices.Equal(contents(one), []string{"first", "You said: first"}) {
		t.Errorf("kept: %+v", all)
	}

	m.enter("clear")
	m.chat(turns+","+echoes, "-c")
	m.seeRows("> other", "You said: other")
	m.enter("on")
	m.see("Turn two: on")
	m.enter("/load")
	m.seeRows("one")
	m.typed("/load o")
	m.keys("Tab", "Enter")
	m.count("You said: first", 2)
	m.seeEnd(prompt)
	m.enter("then")
	m.see("Turn two: then")
	m.enter("/load none")
	m.see("there is no conversation none; /load lists them")
	m.seeEnd(prompt)
	m.leave()
	for name := range m.saved() {
		info, err := os.Stat(filepath.Join(m.state, "gossamer", "chats", name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want it for the user alone", name, info, err)
		}
	}
}

// TestChatIsKeptWhenItIsKilled, with the prompt that had no answer yet.
func TestChatIsKeptWhenItIsKilled(t *testing.T) {
	m := openTmux(t, "80", "40")
	m.chat(turns + "," + stalls + "," + echoes)
	m.enter("please stall")
	m.see("This came.")
	m.enter("/help") // waits
	m.see("next: /help")
	m.kill()
	m.see("Killed")
	m.do("", "send-keys", "-l", "stty sane; clear")
	m.keys("C-j") // the terminal is as it was left
	m.wait("an empty screen", func(screen string) bool { return strings.HasSuffix(screen, "\n$") || screen == "$" })
	m.typed("gossamer chat --playback plays.json --continue")
	m.keys("Enter")
	m.see("Goes on with ")
	m.seeEnd("> please stall") // there was no answer yet that could be kept
	m.keys("C-c", "C-d")
	m.shell()
	m.enter("gossamer chat --playback plays.json --continue 'and once?'")
	m.see("You said: and once?")
	m.enter("gossamer chat --playback plays.json --continue --json 'and as JSON?'")
	m.seeRows(`$ gossamer chat --playback plays.json --continue --json 'and as JSON?'`,
		`{"content":"Turn two: and as JSON?","reasoning":"","finish_reason":"stop","usage`)
	m.shell()
	want := []string{"and once?", "You said: and once?", "and as JSON?", "Turn two: and as JSON?"}
	if got := contents(m.theSaved()); !slices.Equal(got, want) {
		t.Errorf("kept: %q, want %q", got, want)
	}
}

// FuzzSaved: what is no conversation is refused, and all else is written as it was read.
func FuzzSaved(f *testing.F) {
	testenv.Fuzz(f, []string{
		`{"version": 1, "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "reasoning": "c"}]}`,
		`{"version": 1, "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [{"id": "1", "name": "f", "arguments": "{}"}]},
			{"role": "tool", "content": "r", "tool_call_id": "1"}, {"role": "assistant", "content": "d"}, {"role": "user", "content": "e"}]}`,
		`{"version": 2}`, `[]`,
	}, func(t testing.TB, text string) {
		file := filepath.Join(t.TempDir(), "chat.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, messages, unanswered, err := readSaved(file)
		if err != nil {
			return
		}
		if n := len(messages); n > 0 && (messages[n-1].Role != chat.Assistant || len(messages[n-1].ToolCalls) > 0) {
			t.Errorf("%q goes on behind %+v", text, messages[n-1])
		}
		if unanswered != "" {
			messages = append(messages, chat.Message{Role: chat.User, Content: unanswered})
		}
		if err := s.write(file, messages); err != nil {
			t.Fatal(err)
		}
		_, again, more, err := readSaved(file)
		if err != nil || more != unanswered || len(again) > len(messages) {
			t.Errorf("%q is read again as %+v, %q, %v", text, again, more, err)
		}
	})
}

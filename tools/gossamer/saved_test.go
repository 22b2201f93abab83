package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
	m.enter("/save ../two")
	m.see("../two is no name of a conversation: give one")
	m.enter("/save none/two.json")
	m.see("there is no directory none")
	m.enter("/load .")
	m.see("/load .", ". is no name of a conversation")
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
	m.typed("and then?")
	m.keys("Enter")
	m.see("next: and then?")
	m.kill()
	m.see("Killed")
	m.do("", "send-keys", "-l", "stty sane; clear")
	m.keys("C-j") // the terminal is as it was left
	m.wait("an empty screen", func(screen string) bool { return strings.HasSuffix(screen, "\n$") || screen == "$" })
	m.typed("gossamer chat --playback plays.json --continue")
	m.keys("Enter")
	m.see("Goes on with ")
	m.seeEnd("> please stall", "  and then?") // there was no answer yet that could be kept
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

// TestChatsOnOneFile lose nothing: the one whose file another program has written goes on in a file of its own, and says so.
func TestChatsOnOneFile(t *testing.T) {
	m := openTmux(t, "100", "50")
	m.chat(echoes)
	m.enter("first")
	m.see("You said: first")
	m.enter("/save one")
	m.see("Kept in ")
	m.leave()
	one := m.saved()["one.json"]
	m.enter("rm " + filepath.Join(m.state, "gossamer", "chats", "2*.json"))
	m.enter("clear")
	m.chat(turns+","+echoes, "-c")
	m.enter("of A")
	m.see("Turn two: of A")
	m.seeEnd(prompt)

	file := filepath.Join(m.state, "gossamer", "chats", "one.json")
	_, theirs, _, err := readSaved(file)
	if err != nil {
		t.Fatal(err)
	}
	plays := filepath.Join(m.dir, "plays.json")
	r := process(t, "", []string{"XDG_STATE_HOME=" + m.state}, "chat", "--playback", plays, "-c", "of B")
	if r.code != exitOK || strings.Contains(r.stderr, "meanwhile") {
		t.Errorf("exit status %d, %q", r.code, r.stderr)
	}
	m.enter("again A")
	m.see("Another program has written one.json meanwhile")
	m.seeEnd(prompt)
	m.enter("and A")
	m.count("meanwhile", 1)
	m.leave()

	all := m.saved()
	b := all["one.json"]
	delete(all, "one.json")
	before := append(contents(one), theirs[2].Content, theirs[3].Content)
	if got := contents(b); !slices.Equal(got[:4], before) || len(got) != 6 || got[4] != "of B" {
		t.Errorf("of B: %q", got)
	}
	if len(all) != 1 {
		t.Fatalf("kept beside it: %+v", all)
	}
	for _, a := range all {
		if got := contents(a); !slices.Equal(got[:4], before) || len(got) != 8 || got[4] != "again A" || got[6] != "and A" {
			t.Errorf("of A: %q", got)
		}
	}
}

// TestSavedWrite replaces a file only as long as it is as this program knows it.
func TestSavedWrite(t *testing.T) {
	dir := t.TempDir()
	lock, file := filepath.Join(dir, "lock"), filepath.Join(dir, "chat.json")
	said := func(text string) []chat.Message {
		return []chat.Message{{Role: chat.User, Content: text}, {Role: chat.Assistant, Content: "Yes."}}
	}
	var a, second saved
	if err := errors.Join(a.write(lock, file, said("1")), a.write(lock, file, said("2"))); err != nil {
		t.Fatal(err)
	}
	if err := second.write(lock, file, said("other")); !errors.Is(err, errChanged) {
		t.Errorf("%v; want that a file which was never read is not replaced", err)
	}
	b, _, _, err := readSaved(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.write(lock, file, said("3")); err != nil {
		t.Fatal(err)
	}
	if err := a.write(lock, file, said("4")); !errors.Is(err, errChanged) {
		t.Errorf("%v; want that what another program wrote is not replaced", err)
	}
	if s, messages, _, err := readSaved(file); err != nil || messages[0].Content != "3" {
		t.Errorf("%+v, %v", s, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := a.write(lock, file, said("5")); err != nil {
		t.Errorf("of a file that is gone: %v", err)
	}
}

// TestSavedWriteAtTheSameTime: of programs that know the same file one replaces it.
func TestSavedWriteAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	lock, file := filepath.Join(dir, "lock"), filepath.Join(dir, "chat.json")
	results := make(chan error)
	const programs = 16
	for i := range programs {
		go func() {
			var s saved
			results <- s.write(lock, file, []chat.Message{{Role: chat.User, Content: strings.Repeat("a", i)}})
		}()
	}
	wrote := 0
	for range programs {
		switch err := <-results; {
		case err == nil:
			wrote++
		case !errors.Is(err, errChanged):
			t.Error(err)
		}
	}
	if wrote != 1 {
		t.Errorf("%d have written, want one", wrote)
	}
}

// TestChatFile: a name is a file of the state's directory, and all else ends in .json.
func TestChatFile(t *testing.T) {
	for name, want := range map[string]string{
		"a": "/s/chats/a.json", "a b.": "/s/chats/a b..json", "a.json": "a.json", "../x/a.json": "../x/a.json", "/x/a.json": "/x/a.json",
		".": "", "..": "", "../x": "", "/x/y": "", `x\y`: "", "x/": "",
	} {
		if got, err := chatFile("/s", name); filepath.ToSlash(got) != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", name, got, err, want)
		}
	}
	if got, err := chatFile("", "a"); !errors.Is(err, errNoPlace) {
		t.Errorf("without a place: %q, %v", got, err)
	}
}

// TestChatWithoutTheLast says how to go on.
func TestChatWithoutTheLast(t *testing.T) {
	dir := t.TempDir()
	plays := textFile(t, dir, "plays.json", `{"version": 1, "plays": [`+echoes+`]}`)
	chats := filepath.Join(dir, "gossamer", "chats")
	if err := os.MkdirAll(chats, 0o700); err != nil {
		t.Fatal(err)
	}
	textFile(t, chats, "broken.json", "{")
	r := process(t, "", []string{"XDG_STATE_HOME=" + dir}, "chat", "--playback", plays, "-c", "hello")
	if r.code != exitFailure || !strings.Contains(r.stderr, "broken.json") || !strings.Contains(r.stderr, "/load") {
		t.Errorf("exit status %d, %q; want the way on", r.code, r.stderr)
	}
	r = process(t, "", []string{"XDG_STATE_HOME=", "HOME="}, "chat", "--playback", plays, "-c", "hello")
	if r.code != exitFailure || !strings.Contains(r.stderr, "XDG_STATE_HOME") {
		t.Errorf("exit status %d, %q; want the variable", r.code, r.stderr)
	}
}

// TestChatAfterTheClockWasSetBack: the conversation that was written last is the one to continue.
func TestChatAfterTheClockWasSetBack(t *testing.T) {
	dir := t.TempDir()
	plays := textFile(t, dir, "plays.json", `{"version": 1, "plays": [`+echoes+`]}`)
	chats := filepath.Join(dir, "gossamer", "chats")
	if err := os.MkdirAll(chats, 0o700); err != nil {
		t.Fatal(err)
	}
	const kept = `{"version": 1, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}`
	textFile(t, chats, "this.json", kept)
	tomorrow := time.Now().Add(24 * time.Hour)
	if err := os.Chtimes(filepath.Join(chats, "this.json"), tomorrow, tomorrow); err != nil {
		t.Fatal(err)
	}
	textFile(t, chats, "last.json", kept)
	makeLatest(filepath.Join(chats, "last.json"))
	if last, err := lastChat(filepath.Join(dir, "gossamer")); err != nil || filepath.Base(last) != "last.json" {
		t.Errorf("the last is %q, %v", last, err)
	}
	if r := process(t, "", []string{"XDG_STATE_HOME=" + dir}, "chat", "--playback", plays, "-c", "hello"); r.code != exitOK {
		t.Fatalf("exit status %d, %q", r.code, r.stderr)
	}
	if s, _, _, err := readSaved(filepath.Join(chats, "last.json")); err != nil || len(s.Messages) != 4 {
		t.Errorf("kept: %+v, %v", s, err)
	}
}

// FuzzSaved: what is no conversation is refused, and all else is written as it was read.
func FuzzSaved(f *testing.F) {
	testenv.Fuzz(f, []string{
		`{"version": 1, "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "reasoning": "c"}]}`,
		`{"version": 1, "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [{"id": "1", "name": "f", "arguments": "{}"}]},
			{"role": "tool", "content": "r", "tool_call_id": "1"}, {"role": "assistant", "content": "d"}, {"role": "user", "content": "e"}]}`,
		`{"version": 1, "messages": [{"role": "user", "content": "a"}], "waiting": ["b", ""]}`, `{"version": 2}`, `[]`,
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
		if len(unanswered) > len(s.Waiting) {
			messages = append(messages, chat.Message{Role: chat.User, Content: unanswered[0]})
		}
		if err := s.write("", file, messages); err != nil {
			t.Fatal(err)
		}
		_, again, more, err := readSaved(file)
		if err != nil || !slices.Equal(more, unanswered) || len(again) > len(messages) {
			t.Errorf("%q is read again as %+v, %q, %v", text, again, more, err)
		}
	})
}

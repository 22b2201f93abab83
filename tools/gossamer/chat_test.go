package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gossamer/runtime/chat"
)

const (
	// echoes repeats what the user says.
	echoes = `{"name": "echo", "when": {}, "reply": [{"text": "<|channel|>final<|message|>You said: {user}"}]}`
	// stalls says something and then nothing for minutes.
	stalls = `{"name": "stall", "when": {"user": "stall"}, "reply": [{"text": "<|channel|>analysis<|message|>I think.<|end|>` +
		`<|start|>assistant<|channel|>final<|message|>This came. "}, {"wait_ms": 600000}, {"text": "This not."}]}`
	// hangs says nothing for minutes.
	hangs = `{"name": "hang", "when": {"user": "hang"}, "reply": [{"wait_ms": 600000}, {"text": "<|channel|>final<|message|>Late."}]}`
)

// TestChatShowsReplies: reasoning dimmed under a label, prose broken between words, code as it is, and numbers at the end.
func TestChatShowsReplies(t *testing.T) {
	m := openTmux(t, "40", "24")
	m.chat(`{"name": "all", "when": {}, "reply": [{"text": "<|channel|>analysis<|message|>First I think.<|end|>` +
		`<|start|>assistant<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>analysis<|message|>Then again.<|end|>` +
		`<|start|>assistant<|channel|>final<|message|>Some words which are more than one line holds.\n\n- an item which is longer than a line, is\n` +
		"```\\nsome code which is longer than a line, and its words are cut\\n```\\n" + `日本語の文章は空白がないので、端末の幅で折り返す必要があります。"}]}`)
	m.enter("Hello")
	m.seeRows("> Hello",
		"Thinking", "First I think.", "",
		"I look.", "",
		"Thinking", "Then again.", "",
		"Some words which are more than one line", "holds.", "",
		"- an item which is longer than a line,", "  is",
		"```", "some code which is longer than a line, a", "nd its words are cut", "```",
		"日本語の文章は空白がないので、端末の幅で", "折り返す必要があります。",
	)
	m.seeEnd(" of 131072", "", prompt)
	m.see(" tokens/s, context", "█░░░░░░░░░ 1")
	for text, want := range map[string]string{"First I think": "faint", "I look": "", "Then again": "faint", "Some words": "", "> Hello": "bold"} {
		if got := m.attribute(text); got != want {
			t.Errorf("%q is shown %q, want %q\n%q", text, got, want, m.attributed())
		}
	}
	m.leave()
}

// TestChatWithoutColours is what NO_COLOR asks for.
func TestChatWithoutColours(t *testing.T) {
	m := openTmux(t, "80", "24", "NO_COLOR=1")
	m.chat(stalls)
	m.enter("stall")
	m.see("This came.")
	m.keys("C-c")
	m.see("(stopped)")
	if a := m.attributed(); strings.Contains(a, "\x1b[") {
		t.Errorf("there are attributes\n%q", a)
	}
	m.leave()
}

// TestChatPastes: what is pasted is one prompt, whole, whether or not the terminal marks it.
func TestChatPastes(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.chat(echoes)
	m.paste("one line\n\tanother line\nthe third", true)
	m.seeRows("> one line", "  ␉another line", "  the third")
	m.keys("Enter")
	m.see("You said: one line")
	m.paste("four lines\nfive lines\nsix lines\n", false)
	m.see("You said: four lines")
	var b strings.Builder
	for i := range 160 {
		fmt.Fprintf(&b, "line %d of what is pasted, and it is long enough for a page: ä日🙂\n", i)
	}
	long := strings.TrimSpace(b.String())
	if len(long) < 10_000 {
		t.Fatal(len(long))
	}
	m.paste(long, true)
	m.see("line 159 of")
	m.keys("Enter")
	m.see("(140 more lines)")
	m.wait("the answer", func(screen string) bool { return strings.Count(screen, "\nline 159 of") == 1 })
	large := long + "\n" + long
	m.paste(large, true)
	m.see("[paste 1: 320 lines, ")
	m.typed(" and more")
	m.keys("Enter")
	m.wait("the answer", func(screen string) bool { return strings.Contains(screen, ": ä日🙂 and more") })
	m.seeEnd(prompt)
	m.leave()
	want := []string{"one line\n\tanother line\nthe third", "four lines\nfive lines\nsix lines", long, large + " and more"}
	var got []string
	for _, message := range m.theSaved().Messages {
		if message.Role == chat.User {
			got = append(got, message.Content)
		} else if want := "You said: " + got[len(got)-1]; message.Content != want {
			t.Errorf("answer %q, want %q", message.Content, want)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("prompts %q, want %q", got, want)
	}
}

// TestChatLeavesNothingToTheShell of what is typed or pasted behind the end.
func TestChatLeavesNothingToTheShell(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.chat(echoes)
	m.paste("/quit\ntouch shell1\n", true)
	m.see("> /quit", "  touch shell1")
	m.keys("C-c")
	m.seeEnd(prompt, "Ctrl-C again leaves, any other key goes on")
	m.paste("/quit\ntouch shell2\n", false)
	m.see("You said: /quit\ntouch shell2")
	m.typed("/quit")
	m.do("", "send-keys", "Enter", "touch shell3", "Enter") // all at once
	m.wait("an end", func(screen string) bool {
		return strings.HasSuffix(screen, "\n$") || strings.Contains(screen, "You said: /quit\ntouch shell3")
	})
	if !strings.HasSuffix(m.screen(), "\n$") {
		m.keys("C-d")
		m.shell()
	}
	m.enter("echo ready; ls")
	m.seeEnd("ready", "plays.json", "$")
}

// TestChatIsInterrupted in each state.
func TestChatIsInterrupted(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.chat(stalls + "," + hangs + "," + echoes)
	m.enter("hang")
	m.see("⠋ ", "waiting for the first token")
	m.wait("seconds", func(screen string) bool { return strings.Contains(screen, "first token, 1s") })
	m.keys("C-c")
	m.seeEnd("(stopped)", "context █░░░░░░░░░ 68 of 131072", "", prompt)
	m.enter("stall")
	m.see("This came.", " answering")
	m.typed("this waits")
	m.keys("Enter")
	m.see("next: this waits")
	m.keys("C-c")
	m.seeEnd("> this waits") // to be changed, or thrown away
	m.seeRows("I think.", "", "This came.", "(stopped)")
	m.keys("C-c")
	m.seeEnd(prompt, "Ctrl-C again leaves, any other key goes on")
	m.enter("hello")
	m.see("You said: hello")
	m.seeEnd(prompt)
	m.typed("half a line")
	m.keys("C-c")
	m.seeEnd(prompt, "Ctrl-C again leaves, any other key goes on")
	m.keys("C-c")
	m.shell()
	m.enter("echo status=$?.")
	m.see("status=0.")
	var got []string
	for _, message := range m.theSaved().Messages {
		got = append(got, strings.TrimSpace(message.Content))
	}
	if want := []string{"stall", "This came.", "hello", "You said: hello"}; !slices.Equal(got, want) {
		t.Errorf("kept: %q, want %q", got, want)
	}

	m.typed("gossamer chat --playback plays.json stall") // one answer: it is the command that ends
	m.keys("Enter")
	m.seeRows("Thinking", "I think.")
	m.keys("C-c")
	m.shell()
	m.enter("echo status=$?.")
	m.see("status=130.")
}

// TestChatPromptsWait while a reply comes, and are answered in their order.
func TestChatPromptsWait(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.chat(`{"name": "slow", "when": {"user": "slow"},
		"reply": [{"text": "<|channel|>final<|message|>Soon. "}, {"wait_ms": 2000}, {"text": "Now."}]},` + echoes)
	m.enter("slow")
	m.enter("one")
	m.enter("two")
	m.see("Soon. Now.", "You said: one", "You said: two")
	m.seeEnd(prompt)
	m.leave()
	want := []string{"slow", "Soon. Now.", "one", "You said: one", "two", "You said: two"}
	if got := contents(m.theSaved()); !slices.Equal(got, want) {
		t.Errorf("kept: %q, want %q", got, want)
	}
}

// TestChatEdits lines: several, wide characters, and earlier ones, also after a restart.
func TestChatEdits(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.chat(echoes)
	m.typed("one")
	m.keys("M-Enter")
	m.typed("two")
	m.keys("Enter")
	m.seeRows("You said: one", "two")
	m.seeEnd(prompt)
	m.typed(`"""`)
	m.keys("Enter")
	m.seeEnd(`> """`)
	m.typed("/help")
	m.keys("Enter")
	m.typed(`is text"""`)
	m.keys("Enter")
	m.seeRows("You said: /help", "is text")
	m.seeEnd(prompt)
	m.typed("日本語")
	m.keys("Left", "Left", "x", "End", "y", "Home", "BSpace", "z")
	m.seeEnd("> z日x本語y")
	m.keys("Enter")
	m.see("You said: z日x本語y")
	m.leave()
	file := filepath.Join(m.state, "gossamer", "history")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("history: %v, %v; want it for the user alone", info, err)
	}
	m.chat(echoes)
	m.keys("Up")
	m.seeEnd("> z日x本語y")
	m.keys("Up")
	m.seeEnd("> /help", "  is text")
	m.keys("Up", "Up") // through its lines
	m.seeEnd("> one", "  two")
	m.keys("Down")
	m.seeEnd("> /help", "  is text")
	m.keys("Down", "Down")
	m.seeEnd(prompt)
	m.keys("Up", "Enter")
	m.count("You said: z日x本語y", 2)
	m.seeEnd(prompt)
	m.leave()
}

// TestChatIsSuspended by Ctrl-Z.
func TestChatIsSuspended(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.chat(echoes)
	m.keys("C-z")
	m.see("Stopped")
	m.enter("echo the shell")
	m.seeRows("the shell")
	m.enter("fg")
	m.seeEnd(prompt)
	m.enter("again")
	m.see("You said: again")
	m.seeEnd(prompt)
	m.leave()
}

// TestChatIsResized in the middle of a reply.
func TestChatIsResized(t *testing.T) {
	var plays strings.Builder
	plays.WriteString(`{"name": "slow", "when": {"user": "slow"}, "reply": [{"text": "<|channel|>final<|message|>"}`)
	for i := range 30 {
		fmt.Fprintf(&plays, `, {"text": "word%d and some more words "}, {"wait_ms": 100}`, i)
	}
	plays.WriteString(`]},` + echoes)
	m := openTmux(t, "80", "24")
	m.chat(plays.String())
	m.enter("slow")
	for i, size := range [][2]string{{"40", "10"}, {"100", "30"}, {"20", "5"}, {"80", "24"}} {
		word := fmt.Sprintf("word%d", 4*i+2)
		m.wait(word, func(screen string) bool { return strings.Contains(strings.ReplaceAll(screen, "\n", ""), word) })
		m.do("", "resize-window", "-x", size[0], "-y", size[1])
	}
	m.wait("word29", func(screen string) bool {
		return strings.Contains(strings.Join(strings.Fields(screen), " "), "word29 and some more words")
	})
	m.seeEnd(prompt)
	m.enter("hello")
	m.see("You said: hello")
	m.seeEnd(prompt)
	m.leave()
	if text := m.theSaved().Messages[1].Content; strings.Count(text, "word") != 60 {
		t.Errorf("kept: %q", text)
	}
}

// TestChatNeutralisesControlCharacters of the model: in reasoning, answers and names, and of pastes.
func TestChatNeutralisesControlCharacters(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.chat(`{"name": "evil", "when": {"user": "evil"}, "reply": [{"text": "<|channel|>analysis<|message|>a\u001b[2Jb\u001b]0;owned\u0007<|end|>` +
		`<|start|>assistant<|channel|>final<|message|>A\u001b[31mB\rC\u009b2JD \u001b]52;c;b3duZWQ=\u0007\u202e"}]},` + echoes)
	m.enter("evil")
	m.seeRows("a␛[2Jb␛]0;owned␇", "", "A␛[31mB␍C\ufffd2JD ␛]52;c;b3duZWQ=␇\ufffd")
	m.paste("p\x1b[2J\x1b]0;owned\a", false)
	m.keys("C-c")
	m.seeEnd(prompt, "Ctrl-C again leaves, any other key goes on")
	if title := m.do("", "display-message", "-p", "#{pane_title}"); strings.Contains(title, "owned") {
		t.Errorf("the title is %q", title)
	}
	if buffers := m.do("", "list-buffers", "-F", "#{buffer_sample}"); strings.Contains(buffers, "owned") && !strings.Contains(buffers, "]0;owned") {
		t.Errorf("the clipboard is %q", buffers)
	}
	m.leave()
}

// TestChatOnAPlainTerminal, one that knows no escape sequences.
func TestChatOnAPlainTerminal(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.file(filepath.Join(m.dir, "plays.json"), `{"version": 1, "plays": [`+stalls+`,`+echoes+`]}`, 0o666)
	m.enter("TERM=dumb gossamer chat --playback plays.json")
	m.seeEnd(">")
	m.enter("hello")
	m.see("You said: hello")
	m.typed("stall")
	m.keys("Enter")
	m.see("I think.")
	m.keys("C-c")
	m.see("(stopped)")
	m.seeEnd("\n>")
	m.typed(`"""`)
	m.keys("Enter")
	m.typed("one")
	m.keys("Enter")
	m.enter(`two"""`)
	m.seeRows("You said: one", "two")
	m.enter("/retry")
	m.count("You said: one", 2)
	m.seeEnd("\n>")
	m.leave()
}

// TestChatToAPipe writes the answer and nothing else.
func TestChatToAPipe(t *testing.T) {
	m := openTmux(t, "80", "24")
	plays := filepath.Join(m.dir, "plays.json")
	m.file(plays, `{"version": 1, "plays": [`+strings.ReplaceAll(stalls, "600000", "1")+`,`+echoes+`]}`, 0o666)
	m.enter("printf 'a b\\nc\\n' | gossamer chat --playback plays.json 'What is it?' | od -c > out; cat out; echo ready")
	m.seeRows("ready")
	m.enter("gossamer chat --playback plays.json stall > out; cat out")
	m.seeRows("This came. This not.")
	out, err := os.ReadFile(filepath.Join(m.dir, "out"))
	if err != nil || string(out) != "This came. This not.\n" {
		t.Errorf("%q, %v", out, err)
	}
	if got := mustRun(t, "a b\nc\n", "chat", "--playback", plays, "What is it?"); got != "You said: What is it?\n\na b\nc\n" {
		t.Errorf("got %q", got)
	}
	if entries, err := os.ReadDir(m.state); err == nil {
		t.Errorf("one answer keeps %v", entries)
	}
}

// TestChatWithTheBuiltInModel asks what it was made for, with the true reading of a prompt.
func TestChatWithTheBuiltInModel(t *testing.T) {
	m := openTmux(t, "80", "24")
	m.enter("gossamer chat --backend cpu --temperature 0 --effort low")
	m.seeEnd(prompt)
	m.enter("What is 17 + 25?")
	m.see("Thinking", " tokens/s, context ")
	m.seeEnd(prompt)
	m.leave()
	messages := m.theSaved().Messages
	if len(messages) != 2 || !strings.Contains(messages[1].Content, "42") || messages[1].Reasoning == "" {
		t.Errorf("%+v", messages)
	}
}

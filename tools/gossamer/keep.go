package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gossamer/runtime/chat"
)

// keep saves the conversation with messages that have no answer yet.
func (t *talk) keep(messages []chat.Message) {
	moved, err := t.saveAs(slices.Concat(t.c.Request.Messages, messages), t.prompts())
	t.tellSaved(moved, err)
}

// answering says up to which prompt the conversation is while its reply is waited for; nil: it is not.
func (t *talk) answering(messages []chat.Message) {
	t.replying.Lock()
	defer t.replying.Unlock()
	t.unanswered = messages
}

// keepWaiting saves the conversation with what is entered while a reply is waited for. The screen calls it.
func (t *talk) keepWaiting() {
	t.replying.Lock()
	defer t.replying.Unlock()
	if t.unanswered != nil {
		moved, err := t.saveAs(t.unanswered, t.prompts())
		go t.tellSaved(moved, err) // the screen waits for this function
	}
}

// prompts are those that wait, without commands.
func (t *talk) prompts() []string {
	return slices.DeleteFunc(slices.Clone(t.ui.Waiting()), isCommand)
}

func isCommand(text string) bool {
	line := strings.TrimSpace(text)
	return strings.HasPrefix(line, "/") && !strings.Contains(line, "\n")
}

// save saves the conversation, if conversations are kept.
func (t *talk) save() error {
	moved, err := t.saveAs(t.c.Request.Messages, t.prompts())
	t.tellSaved(moved, nil)
	if err != nil {
		return fmt.Errorf("the conversation is not kept: %w", err)
	}
	return nil
}

// goAway is called before another conversation: prompts that wait belong to that.
func (t *talk) goAway() {
	if t.waiting {
		t.tellSaved(t.saveAs(t.c.Request.Messages, nil))
	}
}

// tellSaved tells what became of saving: where the file had to be another one, or why it is not saved.
func (t *talk) tellSaved(moved string, err error) {
	if moved != "" {
		t.note("%s", moved)
	}
	if err != nil {
		t.note("The conversation is not kept: %v", err)
	}
}

// saveAs saves messages and the prompts that wait behind them. moved tells the user that they are in another file than before.
func (t *talk) saveAs(messages []chat.Message, waiting []string) (moved string, err error) {
	lock := ""
	switch {
	case t.dir != "":
		lock = filepath.Join(t.dir, "lock")
	case t.file == "":
		return "", nil
	}
	if t.file == "" {
		t.file = newChatFile(filepath.Join(t.dir, "chats"))
	}
	r := &t.c.Request
	s := &saved{Model: t.e.Info().Model, Instructions: r.Instructions, Effort: r.Effort, Waiting: waiting, sum: t.sum}
	err = s.write(lock, t.file, messages)
	if errors.Is(err, errChanged) { // both conversations are kept whole
		other := newChatFile(filepath.Dir(t.file))
		s.sum = checksum{}
		if err = s.write(lock, other, messages); err == nil {
			moved = fmt.Sprintf("Another program has written %s meanwhile: this conversation goes on in %s.", filepath.Base(t.file), filepath.Base(other))
			t.file = other
		}
	}
	if err == nil {
		t.sum, t.waiting = s.sum, len(waiting) > 0
		if filepath.Dir(t.file) == filepath.Join(t.dir, "chats") {
			makeLatest(t.file)
		}
	}
	return moved, err
}

// load goes on with the conversation of a file.
func (t *talk) load(ctx context.Context, file string) error {
	s, messages, unanswered, err := readSaved(file)
	if err != nil {
		return err
	}
	r := t.c.Request
	r.Messages, r.Instructions = append(messages, chat.Message{Role: chat.User}), s.Instructions
	if effort, err := parseEffort(string(s.Effort)); err == nil {
		r.Effort = effort
	}
	if _, err := t.e.Prepare(ctx, r); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	r.Messages = messages
	t.file, t.sum, t.waiting, t.c.Request = file, s.sum, len(s.Waiting) > 0, r
	if len(unanswered) > 0 && !t.once {
		t.ui.SetInput(strings.Join(unanswered, "\n"))
	}
	return nil
}

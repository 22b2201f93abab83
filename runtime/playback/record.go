package playback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"gossamer/runtime/tokenizer"
)

// errFull means that a file of plays can't take more.
var errFull = errors.New("playback: the file has as many plays, or is as long, as may be")

// Recorder makes a file of plays of a model's replies: played, the same conversations get the same replies, in the order in which they came
// where one was asked for several times. Its methods may be called from several goroutines.
type Recorder struct {
	tok *tokenizer.Tokenizer

	mu     sync.Mutex
	plays  []recorded // in the order of the file
	number int        // of the last one
	bytes  int        // of all
}

// recorded is a play as the file has it.
type recorded struct {
	json   []byte
	key    string // its conditions but for nth
	nth    int    // of the plays with these conditions
	narrow int    // how much its conditions say of what may be there: those that say more are asked first
}

// recordedPlay is what a play is written from.
type recordedPlay struct {
	Name  string            `json:"name"`
	When  recordedWhen      `json:"when"`
	Reply []recordedSegment `json:"reply"`
}

type recordedWhen struct {
	Last      string   `json:"last,omitempty"`
	User      string   `json:"user,omitempty"`
	Result    string   `json:"result,omitempty"`
	Developer string   `json:"developer,omitempty"`
	Tools     []string `json:"tools,omitempty"`
	Effort    string   `json:"effort,omitempty"`
	Turn      int      `json:"turn"`
	Nth       int      `json:"nth,omitempty"`
}

type recordedSegment struct {
	Text   string  `json:"text,omitempty"`
	Tokens []int32 `json:"tokens,omitempty"`
}

// NewRecorder returns a Recorder without plays.
func NewRecorder(tok *tokenizer.Tokenizer) *Recorder { return &Recorder{tok: tok} }

// Add takes a reply, with the marker that ended it if one did, and returns the whole file. Replies that no file of plays can have are left
// out, and errFull is returned once there is no room.
func (r *Recorder) Add(prompt, reply []int32) ([]byte, error) {
	if len(reply) == 0 {
		return r.File(), nil
	}
	c := readConversation(r.tok, prompt)
	p := recordedPlay{When: newWhen(c), Reply: []recordedSegment{r.segment(reply)}}
	key, err := json.Marshal(p.When)
	if err != nil {
		return nil, fmt.Errorf("playback: recording: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	added := recorded{key: string(key), narrow: 2 * len(p.When.Tools), nth: 1}
	if p.When.Developer != "" {
		added.narrow++
	}
	// A later reply to the same stands before the earlier ones, which it leaves to be played first, since all of them count what is met.
	at := slices.IndexFunc(r.plays, func(o recorded) bool { return o.key == added.key })
	if at >= 0 {
		added.nth = r.plays[at].nth + 1
		p.When.Nth = added.nth
	} else if at = slices.IndexFunc(r.plays, func(o recorded) bool { return o.narrow < added.narrow }); at < 0 {
		at = len(r.plays)
	}
	p.Name = "reply " + strconv.Itoa(r.number+1)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return nil, fmt.Errorf("playback: recording: %w", err)
	}
	added.json = bytes.TrimSpace(b.Bytes())
	if len(r.plays) == maxPlays || r.bytes+len(added.json) > maxFileBytes-1<<16 {
		return nil, errFull
	}
	r.number++
	r.bytes += len(added.json) + len(",\n")
	r.plays = slices.Insert(r.plays, at, added)
	return r.file(), nil
}

// File is the file with the plays so far.
func (r *Recorder) File() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file()
}

func (r *Recorder) file() []byte {
	b := bytes.NewBufferString(`{"version": 1, "plays": [`)
	for i, p := range r.plays {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(p.json)
	}
	b.WriteString("\n]}\n")
	return b.Bytes()
}

// newWhen returns conditions that a conversation meets, and others as far as possible do not.
func newWhen(c *conversation) recordedWhen {
	w := recordedWhen{Effort: c.effort, Turn: c.turn, User: c.user.pattern(), Result: c.result.pattern(), Developer: c.developer.pattern()}
	if slices.Contains([]string{"user", "tool", "assistant"}, string(c.last)) {
		w.Last = string(c.last)
	}
	w.Tools = c.tools[:min(len(c.tools), maxTools)]
	return w
}

// pattern matches a text as a whole, or its beginning if it is long; "" if there is none.
func (s said) pattern() string {
	if !s.ok {
		return ""
	}
	const begin, end = `\A`, `\z`
	if p := begin + regexp.QuoteMeta(s.text) + end; len(p) <= maxPatternBytes {
		return p
	}
	p := begin
	for _, c := range s.text {
		quoted := regexp.QuoteMeta(string(c))
		if len(p)+len(quoted) > maxPatternBytes {
			break
		}
		p += quoted
	}
	return p
}

// segment writes a reply as text, for people, if that has the same tokens.
func (r *Recorder) segment(reply []int32) recordedSegment {
	var text strings.Builder
	for _, id := range reply {
		if marker, ok := r.tok.SpecialText(id); ok {
			text.WriteString(marker)
		} else {
			text.Write(r.tok.Bytes(id))
		}
	}
	if !utf8.ValidString(text.String()) {
		return recordedSegment{Tokens: reply}
	}
	raw, err := json.Marshal(text.String())
	if err != nil {
		return recordedSegment{Tokens: reply}
	}
	p := &parser{tok: r.tok, special: newSpecial()}
	if t := p.template(node{raw: raw}); p.err != nil || !slices.Equal(t.fixed, reply) {
		return recordedSegment{Tokens: reply}
	}
	return recordedSegment{Text: text.String()}
}

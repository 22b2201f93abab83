package terminal

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// Wrapper breaks the lines of a text that comes in parts, between words, at the width of a terminal. Lines of a block of code stay as
// they are, and further lines of an item of a list are indented as the first one. Text is to be printable.
type Wrapper struct {
	// Width is asked for the width in columns at each word; 0: lines are not broken.
	Width func() int

	out    strings.Builder
	word   []rune // not written yet: more of it may follow
	spaces int    // before word, not written yet
	column int    // of the next character
	indent int    // of the further lines of this paragraph
	begun  bool   // the line has a word
	code   Fence  // of the block of code that is open
	asIs   bool   // the line is not broken
}

// tabWidth is how wide a tab is shown.
const tabWidth = 4

// zeroWidthJoiner makes one character of the two around it.
const zeroWidthJoiner = '\u200d'

// Add takes more of the text and returns what can be shown now: all but the last word, which may not be complete.
func (w *Wrapper) Add(text string) string {
	if w.Width() <= 0 {
		return w.End() + text
	}
	for _, r := range text {
		switch {
		case r == '\n':
			w.endWord()
			w.endLine()
		case r == ' ':
			w.endWord()
			w.spaces++
		case r == '\t':
			w.endWord()
			w.spaces += tabWidth - (w.column+w.spaces)%tabWidth
		default:
			if w.ends(r) {
				w.endWord()
			}
			w.word = append(w.word, r)
		}
	}
	return w.take()
}

// End returns what Add has held back.
func (w *Wrapper) End() string {
	w.endWord()
	return w.take()
}

func (w *Wrapper) take() string {
	defer w.out.Reset()
	return w.out.String()
}

// ends says whether a line may be broken before r: scripts with wide characters have no spaces.
func (w *Wrapper) ends(r rune) bool {
	if len(w.word) == 0 {
		return false
	}
	last := w.word[len(w.word)-1]
	wide := func(r rune) bool { return ansi.StringWidth(string(r)) == 2 }
	switch {
	case last == zeroWidthJoiner || ansi.StringWidth(string(r)) == 0 || unicode.Is(unicode.Sk, r): // Sk: a colour of skin
		return false
	case unicode.IsPunct(r): // stays with the word before
		return false
	}
	return wide(r) || wide(w.word[0]) && wide(last)
}

func (w *Wrapper) endLine() {
	w.out.WriteByte('\n')
	w.column, w.indent, w.spaces = 0, 0, 0
	w.begun, w.asIs = false, false
}

// endWord writes the word, on a new line if it does not fit.
func (w *Wrapper) endWord() {
	if len(w.word) == 0 {
		return
	}
	word := string(w.word)
	w.word = w.word[:0]
	limit, width := w.Width(), ansi.StringWidth(word)
	if !w.begun {
		w.begin(word, width, limit)
	}
	if w.asIs || w.code != "" {
		w.write(strings.Repeat(" ", w.spaces)+word, w.spaces+width)
		w.spaces = 0
		return
	}
	if w.column > w.indent && w.column+w.spaces+width > limit {
		w.out.WriteByte('\n')
		w.column, w.spaces = 0, w.indent
	}
	w.write(strings.Repeat(" ", w.spaces), w.spaces)
	w.spaces = 0
	for w.column+width > limit && width > 1 { // wider than a line
		head := ansi.Truncate(word, max(limit-w.column, 1), "")
		if head == "" || len(head) == len(word) {
			break
		}
		w.write(head+"\n", 0)
		word = word[len(head):]
		width = ansi.StringWidth(word)
		w.column = 0
	}
	w.write(word, width)
}

// begin learns from the first word of a line what the line is.
func (w *Wrapper) begin(word string, width, limit int) {
	w.begun = true
	if w.asIs = w.code.Turn(word); w.asIs {
		return
	}
	w.indent = w.spaces
	if isMarker(word) {
		w.indent += width + 1
	}
	if w.indent > limit/2 {
		w.indent = 0
	}
}

// Fence is what began the block of code in which one is, in Markdown; "": one is in none.
type Fence string

// Turn takes the first word of a line and says whether the line begins or ends a block.
func (f *Fence) Turn(word string) bool {
	if word == "" || word[0] != '`' && word[0] != '~' {
		return false
	}
	rest := strings.TrimLeft(word, word[:1])
	run := word[:len(word)-len(rest)]
	switch {
	case *f == "" && len(run) >= 3 && !strings.Contains(rest, "`"):
		*f = Fence(run)
	case *f != "" && rest == "" && strings.HasPrefix(run, string(*f)):
		*f = ""
	default:
		return false
	}
	return true
}

// isMarker says whether a word begins an item of a list.
func isMarker(word string) bool {
	if word == "-" || word == "*" || word == "+" || word == "•" {
		return true
	}
	number := strings.TrimRight(word, ".)")
	return number != "" && len(number) == len(word)-1 && strings.Trim(number, "0123456789") == ""
}

func (w *Wrapper) write(text string, width int) {
	w.out.WriteString(text)
	w.column += width
}

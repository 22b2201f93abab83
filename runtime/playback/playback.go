// Package playback is a backend that plays token streams from a file. All that lies above a model (the engine, the reading of replies, an
// API) is real, only the tokens are not a model's: they are those that the file has for the conversation. It serves tests, and whoever
// writes a client and needs a server that says what they want.
//
// docs/playback.md describes the file. A play is chosen when a reply begins, by what the prompt says, read as harmony messages. From then
// on the reply's next token follows from the play and from the tokens that the text has got since, so that a text may be truncated,
// forked, put aside and computed again without a difference. How many tokens a step yields makes no difference either, and parameters of
// sampling are not looked at.
package playback

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"weak"

	"gossamer/runtime/engine"
	"gossamer/runtime/gptoss"
	"gossamer/runtime/sample"
	"gossamer/runtime/tokenizer"
)

// Options of Load.
type Options struct {
	Context int // positions of a text, prompt and reply together; 0: 131,072, which is also the most
}

const maxContext = 131072 // of gpt-oss

// What a step may ask for: as much as of a GPU. Texts cost next to nothing, but their number has a bound, as a device has.
const (
	maxRows      = 8
	maxDraws     = 8
	maxChunk     = 512
	maxSequences = 64
)

// Model plays a file. Make one with Load. It implements engine.Backend.
type Model struct {
	tok     *tokenizer.Tokenizer
	config  *gptoss.Config
	context int
	file    *file

	mu      sync.Mutex
	closed  bool
	lost    bool                                    // a play lost the device
	short   map[*sequence]bool                      // that have found the memory full; while there are some, nobody gets memory
	alive   int                                     // sequences
	seats   []*sequence                             // that have logits, least recently used first, at most maxRows
	met     []int                                   // by play: how often its conditions were met
	replies map[weak.Pointer[sample.Sampler]]*reply // that have begun; a sampler is one reply's
	headers []*reply                                // in whose headers the caller may go on, oldest first, at most maxHeaders
}

var _ engine.Backend = (*Model)(nil)

// Load reads a file of plays. It refuses what it does not know and says where it stands.
func Load(data []byte, tok *tokenizer.Tokenizer, o Options) (*Model, error) {
	if o.Context < 0 || o.Context > maxContext {
		return nil, fmt.Errorf("playback: a context of %d tokens, want 0 to %d", o.Context, maxContext)
	}
	if o.Context == 0 {
		o.Context = maxContext
	}
	f, err := parseFile(data, tok)
	if err != nil {
		return nil, err
	}
	return &Model{
		tok:     tok,
		context: o.Context,
		file:    f,
		config: &gptoss.Config{
			Vocab: tok.Vocab(), MaxPositions: maxContext, EOS: []int32{tokenizer.Return, tokenizer.EndOfText, tokenizer.Call}, Pad: tokenizer.EndOfText,
		},
		short:   map[*sequence]bool{},
		met:     make([]int, len(f.plays)),
		replies: map[weak.Pointer[sample.Sampler]]*reply{},
	}, nil
}

// Config has the vocabulary and the positions of gpt-oss. There are no layers.
func (m *Model) Config() *gptoss.Config { return m.config }

// Context is the number of positions of a text.
func (m *Model) Context() int { return m.context }

// Limits are those of a GPU.
func (m *Model) Limits() engine.Limits {
	return engine.Limits{Rows: maxRows, Draws: maxDraws, Chunk: maxChunk, Sequences: maxSequences}
}

// FreePages is 0: memory has no bound.
func (m *Model) FreePages() int { return 0 }

// Ready is always true.
func (m *Model) Ready(*engine.Step) bool { return true }

// Reset counts anew how often plays were met, and gives back a device that a play lost and memory that one filled. Replies that have begun
// go on.
func (m *Model) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.met)
	clear(m.short)
	m.headers, m.lost = nil, false
}

var errClosed = errors.New("playback: closed")

// usable says why nothing can be asked for, if so. m.mu is held.
func (m *Model) usable() error {
	switch {
	case m.closed:
		return errClosed
	case m.lost:
		return lostError{}
	}
	return nil
}

// Close ends the use of the model.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// lostError is what a play makes of the device.
type lostError struct{}

func (lostError) Error() string {
	return "playback: the device is lost, as a play wants it: nothing works until the playback is reset"
}

// DeviceLost identifies the error to packages that do not import this one.
func (lostError) DeviceLost() bool { return true }

// NewSequence returns an empty sequence.
func (m *Model) NewSequence() (engine.Sequence, error) { return m.newSequence(nil) }

func (m *Model) newSequence(tokens []int32) (*sequence, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return nil, err
	}
	if m.alive == maxSequences {
		return nil, fmt.Errorf("playback: %d sequences are alive, which is as many as may", maxSequences)
	}
	if len(m.short) > 0 {
		return nil, fmt.Errorf("playback: a play has filled the memory: %w", engine.ErrContextFull)
	}
	m.alive++
	return &sequence{m: m, tokens: slices.Clone(tokens)}, nil
}

// unseat takes the logits from a sequence. m.mu is held.
func (m *Model) unseat(s *sequence) {
	s.ready = false
	m.seats = slices.DeleteFunc(m.seats, func(o *sequence) bool { return o == s })
}

// seat says that a sequence has logits: others lose theirs, as the rows of a device are taken. m.mu is held.
func (m *Model) seat(s *sequence) {
	m.unseat(s)
	if len(m.seats) == maxRows {
		m.unseat(m.seats[0])
	}
	m.seats, s.ready = append(m.seats, s), true
}

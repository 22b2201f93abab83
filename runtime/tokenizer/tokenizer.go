// Package tokenizer turns text into token ids and back, in gpt-oss's vocabulary o200k_harmony.
//
// Ids 0 to 199,997 are text tokens: byte strings that byte-level BPE finds in text with OpenAI's o200k ranks (the id is the
// rank). Ids 199,998 to 201,087 are special tokens: the markers of the harmony format, and reserved ones. The two never meet:
// [Tokenizer.Encode] yields text tokens only, whatever the text says, so that no text can contain a marker; a caller that needs a
// marker puts its id into the token sequence. Ids are the reference tokenizer's (OpenAI's tiktoken), character for character.
//
// A token's bytes need not be whole characters. [Tokenizer.Decode] gives bytes; [Stream] gives text while tokens arrive.
//
// The ranks come from outside, because a native program embeds them (package o200k) and a page fetches them.
package tokenizer

import (
	"context"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"sync"
)

// Special tokens with a meaning. All others between numText and Vocab are reserved.
const (
	StartOfText int32 = 199998 // <|startoftext|>
	EndOfText   int32 = 199999 // <|endoftext|>
	Return      int32 = 200002 // <|return|>: the model has finished its answer
	Constrain   int32 = 200003 // <|constrain|>: the content type of a message follows
	Channel     int32 = 200005 // <|channel|>: the channel of a message follows
	Start       int32 = 200006 // <|start|>: a message, its role first
	End         int32 = 200007 // <|end|>: the message is complete
	Message     int32 = 200008 // <|message|>: the header is complete, the content follows
	Call        int32 = 200012 // <|call|>: the message is a tool call, whose result the model waits for
)

const (
	numText     = 199998 // text tokens
	numVocab    = 201088 // text and special tokens: the rows of the embedding
	endOfPrompt = 200018 // reserved in o200k_harmony, <|endofprompt|> in o200k_base
)

// Tokenizer is the vocabulary and its encoder. It is safe for concurrent use.
type Tokenizer struct {
	text   []byte   // the bytes of all text tokens, in the order of their ids
	starts []uint32 // [numText+1] where each token begins in text
	maxLen int      // bytes of the longest token

	// table maps bytes to the token that they are: open addressing by hash, linear probing, id+1 or 0 where free, and above it bits of
	// the hash, so that what is no token is seldom compared with one. Flat arrays, because a map of 200,000 strings is slower to fill,
	// and each collection of garbage would walk it.
	table  []uint32 // [a power of two]
	seed   maphash.Seed
	single [256]int32     // the token of each byte
	double [1 << 16]int32 // of two bytes, the first one in the high half; -1: they are none

	library func() *library // made at the first use
}

// New makes a tokenizer of the o200k ranks in the form that tools/vocab writes: one byte per text token with the number of
// its bytes, in the order of the ids, then the bytes of all tokens in the same order. New keeps ranks, which must not be
// changed afterwards.
func New(ranks []byte) (*Tokenizer, error) {
	if len(ranks) < numText {
		return nil, fmt.Errorf("tokenizer: ranks have %d bytes, want at least %d (the lengths of the tokens): unpack the file that tools/vocab wrote", len(ranks), numText)
	}
	t := &Tokenizer{
		text:   ranks[numText:],
		starts: make([]uint32, numText+1),
		table:  make([]uint32, 1<<19),
		seed:   maphash.MakeSeed(),
	}
	var end uint32
	for id, n := range ranks[:numText] {
		if n == 0 {
			return nil, fmt.Errorf("tokenizer: ranks: token %d is empty", id)
		}
		end += uint32(n)
		t.starts[id+1] = end
		t.maxLen = max(t.maxLen, int(n))
	}
	if int(end) != len(t.text) {
		return nil, fmt.Errorf("tokenizer: ranks: the tokens have %d bytes by their lengths, %d are there", end, len(t.text))
	}
	for i := range t.double {
		t.double[i] = -1
	}
	for id := range int32(numText) {
		b := t.Bytes(id)
		slot, tag := t.slot(string(b))
		if other := t.table[slot]; other != 0 {
			return nil, fmt.Errorf("tokenizer: ranks: tokens %d and %d are both %q", other&idMask-1, id, b)
		}
		t.table[slot] = tag | uint32(id) + 1
		if len(b) == 2 {
			t.double[int(b[0])<<8|int(b[1])] = id
		}
	}
	for b := range t.single {
		id, ok := t.lookup(string([]byte{byte(b)}))
		if !ok {
			return nil, fmt.Errorf("tokenizer: ranks: no token for the single byte %#02x", b)
		}
		t.single[b] = id
	}
	t.library = sync.OnceValue(t.newLibrary)
	return t, nil
}

// idBits are those of the table's words that have an id; the other bits are of the hash.
const (
	idBits = 18
	idMask = 1<<idBits - 1
)

// slot returns the place in the table where s is, or where it would be put, and its bits above the id.
func (t *Tokenizer) slot(s string) (i int, tag uint32) {
	mask := len(t.table) - 1
	hash := maphash.String(t.seed, s)
	i, tag = int(hash)&mask, uint32(hash>>32)&^idMask
	for v := t.table[i]; v != 0; v = t.table[i] {
		if v&^idMask == tag && string(t.Bytes(int32(v&idMask)-1)) == s {
			break
		}
		i = (i + 1) & mask
	}
	return i, tag
}

// lookup returns the text token that is exactly s.
func (t *Tokenizer) lookup(s string) (id int32, ok bool) {
	if len(s) == 2 {
		id = t.double[int(s[0])<<8|int(s[1])]
		return id, id >= 0
	}
	if len(s) > t.maxLen {
		return 0, false
	}
	i, _ := t.slot(s)
	v := t.table[i]
	return int32(v&idMask) - 1, v != 0
}

// Vocab returns the number of ids, special tokens included.
func (t *Tokenizer) Vocab() int { return numVocab }

// Encode returns the tokens of text. All of them are text tokens: markers in the text are text. Invalid UTF-8 is read as
// [Valid] reads it.
//
// The first short text takes longer, because tiktoken-go's maps are made for it (0.1 to 0.3 s): let there be one while the
// weights load.
func (t *Tokenizer) Encode(text string) []int32 {
	tokens, _ := t.EncodeContext(context.Background(), text)
	return tokens
}

// EncodeContext is Encode for text of any length: some megabytes take seconds. It returns ctx's error once that has ended.
func (t *Tokenizer) EncodeContext(ctx context.Context, text string) ([]int32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	text = Valid(text)
	if len(text) > libraryMax || hasNewer(text) {
		return t.encodePieces(ctx, text)
	}
	return t.encodeLibrary(text), nil
}

// encodePieces encodes valid UTF-8 with our own splitter and merge.
func (t *Tokenizer) encodePieces(ctx context.Context, text string) ([]int32, error) {
	tokens := make([]int32, 0, len(text)/4+1)
	var m merger
	var err error
	looked := len(text) // bytes that were left when ctx was last looked at
	for text != "" {
		if looked-len(text) >= windowBytes {
			looked = len(text)
			if err := m.rest.pause(ctx); err != nil {
				return nil, err
			}
		}
		n := firstPiece(text)
		if id, ok := t.lookup(text[:n]); ok {
			tokens = append(tokens, id)
		} else if tokens, err = m.long(ctx, t, tokens, text[:n], windowBytes, overlapBytes); err != nil {
			return nil, err
		}
		text = text[n:]
	}
	return tokens, nil
}

// Decode returns the bytes of tokens: a text token's own, a special token's text. Ids outside the vocabulary have none.
func (t *Tokenizer) Decode(tokens []int32) []byte {
	b := make([]byte, 0, 5*len(tokens))
	for _, id := range tokens {
		b = t.append(b, id)
	}
	return b
}

func (t *Tokenizer) append(b []byte, id int32) []byte {
	if text, ok := t.SpecialText(id); ok {
		return append(b, text...)
	}
	return append(b, t.Bytes(id)...)
}

// Bytes returns the bytes of a text token, which must not be changed, or nil for any other id.
func (t *Tokenizer) Bytes(id int32) []byte {
	if id < 0 || id >= numText {
		return nil
	}
	start, end := t.starts[id], t.starts[id+1]
	return t.text[start:end:end]
}

// Special returns the special token with the given text, such as "<|start|>" or "<|reserved_200013|>". It also knows
// "<|endofprompt|>", another name of <|reserved_200018|>.
func (t *Tokenizer) Special(text string) (int32, bool) {
	if text == "<|endofprompt|>" {
		return endOfPrompt, true
	}
	for id := StartOfText; id <= Call; id++ {
		if name, _ := t.SpecialText(id); name == text {
			return id, true
		}
	}
	digits, _ := strings.CutPrefix(text, "<|reserved_")
	digits, _ = strings.CutSuffix(digits, "|>")
	n, err := strconv.ParseInt(digits, 10, 32)
	id := int32(n)
	if name, ok := t.SpecialText(id); err != nil || !ok || name != text {
		return 0, false
	}
	return id, true
}

// SpecialText returns the text of a special token, and false for any other id.
func (t *Tokenizer) SpecialText(id int32) (string, bool) {
	switch id {
	case StartOfText:
		return "<|startoftext|>", true
	case EndOfText:
		return "<|endoftext|>", true
	case Return:
		return "<|return|>", true
	case Constrain:
		return "<|constrain|>", true
	case Channel:
		return "<|channel|>", true
	case Start:
		return "<|start|>", true
	case End:
		return "<|end|>", true
	case Message:
		return "<|message|>", true
	case Call:
		return "<|call|>", true
	}
	if id < numText || id >= numVocab {
		return "", false
	}
	return "<|reserved_" + strconv.Itoa(int(id)) + "|>", true
}

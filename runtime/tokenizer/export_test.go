package tokenizer

import "context"

// The two encoders, for tests in package tokenizer_test, which alone can import the real ranks.
var (
	EncodeLibrary = (*Tokenizer).encodeLibrary
	FirstPiece    = firstPiece
	HasNewer      = hasNewer
)

// EncodePieces is encodePieces of a caller that stays.
func EncodePieces(t *Tokenizer, text string) []int32 {
	tokens, _ := t.encodePieces(context.Background(), text)
	return tokens
}

// Merge are the tokens of piece by one merge, and MergeWindows by many.
func Merge(t *Tokenizer, piece string) []int32 { return new(merger).merge(t, nil, piece) }

func MergeWindows(t *Tokenizer, piece string, size, overlap int) []int32 {
	tokens, _ := new(merger).long(context.Background(), t, nil, piece, size, overlap)
	return tokens
}

const (
	LibraryMax = libraryMax
	Pattern    = pattern
)

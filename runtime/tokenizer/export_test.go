package tokenizer

// The two encoders, for tests in package tokenizer_test, which alone can import the real ranks.
var (
	EncodePieces  = (*Tokenizer).encodePieces
	EncodeLibrary = (*Tokenizer).encodeLibrary
	FirstPiece    = firstPiece
)

const (
	LibraryMax = libraryMax
	Pattern    = pattern
)

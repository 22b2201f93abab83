package tokenizer

// The two encoders, for tests in package tokenizer_test, which alone can import the real ranks.
var (
	EncodePieces  = (*Tokenizer).encodePieces
	EncodeLibrary = (*Tokenizer).encodeLibrary
	FirstPiece    = firstPiece
	HasNewer      = hasNewer
)

const (
	LibraryMax = libraryMax
	Pattern    = pattern
)

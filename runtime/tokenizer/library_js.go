package tokenizer

// A browser's program goes without tiktoken-go, which links net/http and keeps 22 MB of maps: all text goes through encodePieces,
// which the native tests hold against it.
const libraryMax = 0

type library struct{}

func (t *Tokenizer) newLibrary() *library { return nil }

func (t *Tokenizer) encodeLibrary(text string) []int32 { return t.encodePieces(text) }

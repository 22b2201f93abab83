package openai

import (
	"io"
	"iter"

	"gossamer/runtime/wire"
)

// WriteSSE writes a streamed reply as server-sent events, each with one call of Write followed by flush, which may be nil. It
// returns the first error of the reply or of writing. An error of the reply is sent to the client as a last event, unless it comes
// first: then begun is false, nothing is written, and the caller can still answer with an HTTP status.
func WriteSSE(w io.Writer, flush func() error, chunks iter.Seq2[Chunk, error]) (begun bool, err error) {
	for chunk, failed := range chunks {
		switch {
		case failed == nil:
			if err := wire.WriteEvent(w, flush, "", chunk); err != nil {
				return true, err
			}
			begun = true
			continue
		case begun:
			response, _ := Error(failed)
			if err := wire.WriteEvent(w, flush, "", response); err != nil {
				return true, err
			}
		}
		return begun, failed
	}
	return true, wire.WriteFrame(w, flush, []byte("data: [DONE]\n\n"))
}

package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
)

// WriteSSE writes a streamed reply as server-sent events, each with one call of Write followed by flush, which may be nil. It
// returns the first error of the reply or of writing. An error of the reply is sent to the client as a last event, unless it comes
// first: then begun is false, nothing is written, and the caller can still answer with an HTTP status.
func WriteSSE(w io.Writer, flush func() error, chunks iter.Seq2[Chunk, error]) (begun bool, err error) {
	for chunk, failed := range chunks {
		switch {
		case failed == nil:
			if err := writeEvent(w, flush, chunk); err != nil {
				return true, err
			}
			begun = true
			continue
		case begun:
			response, _ := Error(failed)
			if err := writeEvent(w, flush, response); err != nil {
				return true, err
			}
		}
		return begun, failed
	}
	return true, writeFrame(w, flush, []byte("data: [DONE]\n\n"))
}

// WriteError writes an error as the last event of a stream of which nothing but comments was written.
func WriteError(w io.Writer, flush func() error, e ErrorResponse) error {
	return writeEvent(w, flush, e)
}

func writeEvent(w io.Writer, flush func() error, data any) error {
	b := bytes.NewBufferString("data: ")
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false) // no page contains this
	if err := enc.Encode(data); err != nil {
		return fmt.Errorf("openai: event: %w", err)
	}
	b.WriteByte('\n') // Encode has written one
	return writeFrame(w, flush, b.Bytes())
}

func writeFrame(w io.Writer, flush func() error, frame []byte) error {
	if _, err := w.Write(frame); err != nil {
		return fmt.Errorf("openai: event: %w", err)
	}
	if flush == nil {
		return nil
	}
	if err := flush(); err != nil {
		return fmt.Errorf("openai: event: %w", err)
	}
	return nil
}

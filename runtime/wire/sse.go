package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// WriteEvent writes a server-sent event with one call of Write followed by flush, which may be nil. name is its type; "": none.
func WriteEvent(w io.Writer, flush func() error, name string, data any) error {
	var b bytes.Buffer
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	b.WriteString("data: ")
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // no page contains this
	if err := enc.Encode(data); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	b.WriteByte('\n') // Encode has written one
	return WriteFrame(w, flush, b.Bytes())
}

// WriteFrame writes what is an event already.
func WriteFrame(w io.Writer, flush func() error, frame []byte) error {
	if _, err := w.Write(frame); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	if flush == nil {
		return nil
	}
	if err := flush(); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	return nil
}

package gpu

// Bytes is the buffer's size, rounded up.
func (b *Buffer) Bytes() int64 { return b.bytes }

var ErrClosed = errClosed

package gpu

var ErrClosed = errClosed

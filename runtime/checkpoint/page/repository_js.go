package page

import (
	"context"
	"io/fs"
	"syscall/js"

	"gossamer/runtime/checkpoint/packed"
	"gossamer/runtime/promise"
)

// Derive makes the manifest, without hashes, of a repository in Hugging Face's layout. read(name, offset, bytes) is the page's: a
// promise of {size, data}, the file's length and a Uint8Array of up to that many bytes of it, or of undefined where there is no
// such file.
func Derive(ctx context.Context, read js.Value) ([]byte, error) {
	m, err := packed.Derive(func(name string, off, n int64) ([]byte, int64, error) {
		answer, err := promise.Await(ctx, read.Invoke(name, off, n))
		if err != nil {
			return nil, 0, err
		}
		if answer.IsUndefined() {
			return nil, 0, fs.ErrNotExist
		}
		data := make([]byte, answer.Get("data").Length())
		js.CopyBytesToGo(data, answer.Get("data"))
		return data, int64(answer.Get("size").Float()), nil
	}, "the repository")
	if err != nil {
		return nil, err
	}
	return m.Encode()
}

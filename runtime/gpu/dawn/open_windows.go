//go:build amd64 || arm64

package dawn

import "syscall"

// open loads a library that exports its functions.
func open(path string, _ []byte) (address func(symbol string) uintptr, err error) {
	library, err := syscall.LoadLibrary(path)
	if err != nil {
		return nil, err
	}
	return func(symbol string) uintptr {
		a, err := syscall.GetProcAddress(library, symbol)
		if err != nil {
			return 0
		}
		return a
	}, nil
}

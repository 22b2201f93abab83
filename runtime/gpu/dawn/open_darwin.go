//go:build amd64 || arm64

package dawn

import "github.com/ebitengine/purego"

// open loads a library that exports its functions.
func open(path string, _ []byte) (address func(symbol string) uintptr, err error) {
	library, err := purego.Dlopen(path, purego.RTLD_LAZY|purego.RTLD_LOCAL)
	if err != nil {
		return nil, err
	}
	return func(symbol string) uintptr {
		a, err := purego.Dlsym(library, symbol)
		if err != nil {
			return 0
		}
		return a
	}, nil
}

//go:build !cgo && !js && (static || !(linux || darwin || windows) || !(amd64 || arm64))

package gpu

import (
	"fmt"

	"gossamer/shaders"
)

// Without a binding nothing can be opened, so nothing below errNone is ever called.
type (
	rawBuffer     = *struct{}
	rawGroup      = *struct{}
	rawSubmission = uint64
	rawDevice     struct{}
	rawPipeline   struct{}
)

const compilesBeside = false

// errNone says why there is no WebGPU in this build.
func errNone() error {
	return fmt.Errorf("%w: this program was built without WebGPU: build it with CGO_ENABLED=1, or without the tag static, or use the CPU backend", ErrNoAdapter)
}

func rawLibrary() string                        { return "" }
func rawAdapters() ([]AdapterInfo, error)       { return nil, errNone() }
func rawOpen(Options) (*rawDevice, Caps, error) { return nil, Caps{}, errNone() }

func (*rawDevice) close()                                                    {}
func (*rawDevice) newBuffer(string, int64, Usage) (rawBuffer, error)         { return nil, errNone() }
func (*rawDevice) newStaging(int64) (rawBuffer, error)                       { return nil, errNone() }
func (*rawDevice) releaseBuffer(rawBuffer)                                   {}
func (*rawDevice) write(rawBuffer, int64, []byte) error                      { return errNone() }
func (*rawDevice) newPipeline(shaders.Shader) (rawPipeline, error)           { return rawPipeline{}, errNone() }
func (*rawDevice) newGroup(string, rawPipeline, []Binding) (rawGroup, error) { return nil, errNone() }
func (*rawDevice) releaseGroup(rawGroup)                                     {}
func (*rawDevice) submit([]*Program) (rawSubmission, error)                  { return 0, errNone() }
func (*rawDevice) poll(rawSubmission) error                                  { return errNone() }
func (*rawDevice) watch(func(error))                                         {}
func (*rawDevice) take(rawBuffer, rawSubmission, []byte) error               { return errNone() }
func (rawPipeline) release()                                                 {}
func (*rawDevice) readback([]*Program, rawBuffer, rawBuffer, int64, int64) (rawSubmission, error) {
	return 0, errNone()
}

package gpu

import (
	"fmt"

	"gossamer/shaders"
)

// Pipeline is a compiled shader.
type Pipeline struct {
	d        *Device
	raw      rawPipeline
	name     string
	bindings []shaders.Access
	freed    bool
}

// ShaderError is a shader that the device's compiler refused.
type ShaderError struct {
	Name   string // of the shader
	Source string // as given to the compiler; the line numbers of Err count in it
	Err    error
}

func (e *ShaderError) Error() string { return fmt.Sprintf("shader %s: %v", e.Name, e.Err) }
func (e *ShaderError) Unwrap() error { return e.Err }

// NewPipeline compiles s, with an explicit layout of s.Bindings. A refused shader is a *ShaderError.
func (d *Device) NewPipeline(s shaders.Shader) (*Pipeline, error) {
	storage := 0
	for _, a := range s.Bindings {
		if a != shaders.Uniform {
			storage++
		}
	}
	c, wg := d.caps, s.Workgroup
	switch {
	case storage > c.MaxStorageBuffers:
		return nil, fmt.Errorf("gpu: shader %s binds %d storage buffers: the device allows %d", s.Name, storage, c.MaxStorageBuffers)
	case wg[0]*wg[1]*wg[2] > c.MaxInvocations:
		return nil, fmt.Errorf("gpu: shader %s has a workgroup of %v: the device allows %d invocations", s.Name, wg, c.MaxInvocations)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return nil, fmt.Errorf("gpu: shader %s: %w", s.Name, err)
	}
	raw, err := d.raw.newPipeline(s)
	if err != nil {
		d.note("", err)
		return nil, fmt.Errorf("gpu: %w", &ShaderError{s.Name, s.Source, err})
	}
	p := &Pipeline{d: d, raw: raw, name: s.Name, bindings: s.Bindings}
	d.live[p] = struct{}{}
	return p, nil
}

// Name is the shader's.
func (p *Pipeline) Name() string { return p.name }

// Release frees the pipeline. Programs recorded with it stay usable. It may be called twice.
func (p *Pipeline) Release() {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	p.releaseLocked()
}

func (p *Pipeline) releaseLocked() {
	if p.freed {
		return
	}
	p.freed = true
	delete(p.d.live, p)
	p.raw.release()
}

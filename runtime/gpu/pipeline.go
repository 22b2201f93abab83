package gpu

import (
	"fmt"
	"strconv"
	"strings"

	"gossamer/shaders"
)

// Pipeline is a compiled shader.
type Pipeline struct {
	d        *Device
	raw      rawPipeline
	name     string
	bindings []shaders.Access
	users    users
	freed    bool
}

// wgslLine finds the line in how naga points into a source, "wgsl:line:column".
func wgslLine(message string) (line string, found bool) {
	_, rest, found := strings.Cut(message, "wgsl:")
	line, column, isPlace := strings.Cut(rest, ":")
	if _, err := strconv.ParseUint(line, 10, 31); err != nil || !isPlace || column == "" || column[0] < '0' || column[0] > '9' {
		return "", false
	}
	return line, found
}

// NewPipeline compiles s, with an explicit layout of s.Bindings. The error for a refused shader names the line of its
// source, from 1, where the compiler does. With wgpu-native the device does other calls meanwhile.
func (d *Device) NewPipeline(s shaders.Shader) (*Pipeline, error) {
	storage := 0
	for _, a := range s.Bindings {
		if a != shaders.Uniform {
			storage++
		}
	}
	c, wg := d.caps, s.Workgroup
	switch {
	case strings.TrimSpace(s.Source) == "": // wgpu-native 0.19 crashes on it
		return nil, fmt.Errorf("gpu: shader %s has no source", s.Name)
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
	raw, err := d.compile(s)
	if err != nil {
		d.note("", err) // it may tell of the device's loss
		if line, found := wgslLine(err.Error()); found {
			err = fmt.Errorf("line %s: %w", line, err)
		}
		return nil, fmt.Errorf("gpu: shader %s: %w", s.Name, err)
	}
	p := &Pipeline{d: d, raw: raw, name: s.Name, bindings: s.Bindings, users: users{}}
	d.live[p] = struct{}{}
	d.stats.Pipelines++
	return p, nil
}

// compile calls the binding without mu, which the caller holds, where the binding allows it. The device is not closed meanwhile.
func (d *Device) compile(s shaders.Shader) (rawPipeline, error) {
	if !compilesBeside {
		return d.raw.newPipeline(s)
	}
	raw := d.raw
	d.compiling++
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.compiling--
		d.compiled.Broadcast()
	}()
	return raw.newPipeline(s)
}

// Name is the shader's.
func (p *Pipeline) Name() string { return p.name }

// Release frees the pipeline. Programs recorded with it can't be submitted any more. It may be called twice.
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
	p.users.release("shader " + p.name)
	delete(p.d.live, p)
	p.raw.release()
}

// Package kernel runs the compute kernels of package shaders. A kernel's host file has its shape, its parameters, the order of its
// bindings and the arithmetic of its grid. It has the WGSL file's name; only sample.go, sample_full.go, attn_prefill.go and unembed_decode.go
// are the hosts of several files each. The package knows shapes, not layers.
//
// A constructor compiles a kernel for one shape. Its Record method appends one dispatch (Sample's: two, SampleFull's: four) to a program; the
// buffers are named fields of an argument struct. Activations are f32 and weights are what the checkpoint holds (bf16, MXFP4 blocks with
// E8M0 scales). A tensor that lies in several buffers is passed one Shard at a time.
package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"gossamer/runtime/gpu"
	"gossamer/shaders"
)

// Shard is a range of a tensor's rows or experts: the part that one buffer holds.
type Shard struct{ First, Count int }

// maxGrid is the number of workgroups that every device allows in one dimension.
const maxGrid = 65535

// config is the shape of a kernel.
type config interface {
	// shader checks the shape and builds the kernel for it.
	shader(v shaders.Variant) (shaders.Shader, error)
}

// pipeline is what the kernels have in common: a compiled shader and the uniforms of its dispatches.
type pipeline struct {
	dev *gpu.Device
	pl  *gpu.Pipeline

	mu       sync.Mutex             // programs may be recorded by several goroutines
	uniforms map[string]*gpu.Buffer // by content
}

func newPipeline(dev *gpu.Device, c config) (*pipeline, error) {
	s, err := c.shader(dev.Caps().Variant)
	if err != nil {
		return nil, fmt.Errorf("kernel: %w", err)
	}
	pl, err := dev.NewPipeline(s)
	if err != nil {
		return nil, fmt.Errorf("kernel: %w", err)
	}
	return &pipeline{dev: dev, pl: pl, uniforms: map[string]*gpu.Buffer{}}, nil
}

// Release frees the kernel. Programs recorded with it can't be submitted any more. It may be called twice.
func (p *pipeline) Release() {
	p.pl.Release()
	for _, b := range p.uniforms {
		b.Release()
	}
	clear(p.uniforms)
}

// record appends a dispatch. Its first binding is a uniform of the given words, unless there are none; then come args, each bound
// from end to end.
func (p *pipeline) record(prog *gpu.Program, grid [3]int, params []uint32, args ...*gpu.Buffer) error {
	var bindings []gpu.Binding
	if len(params) > 0 {
		p.mu.Lock()
		u, err := p.uniform(params)
		p.mu.Unlock()
		if err != nil {
			return err
		}
		bindings = append(bindings, gpu.Binding{Buffer: u})
	}
	for _, b := range args {
		bindings = append(bindings, gpu.Binding{Buffer: b})
	}
	return prog.Dispatch(p.pl, grid, bindings...)
}

// uniform returns a buffer with these words. Dispatches with equal parameters share one. The caller holds mu.
func (p *pipeline) uniform(words []uint32) (*gpu.Buffer, error) {
	var content []byte
	for _, w := range words {
		content = binary.LittleEndian.AppendUint32(content, w)
	}
	if b, ok := p.uniforms[string(content)]; ok {
		return b, nil
	}
	b, err := p.dev.NewBuffer(p.pl.Name()+" params", int64(len(content)), gpu.Uniform)
	if err != nil {
		return nil, err
	}
	if err := p.dev.Write(b, 0, content); err != nil {
		b.Release()
		return nil, err
	}
	p.uniforms[string(content)] = b
	return b, nil
}

// floatWord is the parameter word of a float.
func floatWord(f float64) uint32 { return math.Float32bits(float32(f)) }

// fold lays n workgroups out over x and y; shaders take x + y * (size of x) and ignore what exceeds n.
func fold(n int) [3]int {
	y := max(1, ceilDiv(n, maxGrid))
	return [3]int{max(1, ceilDiv(n, y)), y, 1}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// lanes picks the workgroup size, a multiple of 32 from least to most, that wastes the fewest lanes on items processed one per
// lane and round; the larger of equals.
func lanes(items, least, most int) int {
	best, bestWaste := least, math.MaxInt
	for wg := least; wg <= most; wg += 32 {
		if waste := ceilDiv(items, wg)*wg - items; waste <= bestWaste {
			best, bestWaste = wg, waste
		}
	}
	return best
}

// denseLanes is the largest workgroup of the dense decode kernels: every device allows it.
const denseLanes = 256

func boolConst(b bool) int {
	if b {
		return 1
	}
	return 0
}

// rowsCheck is the condition on the rows of a batch in the dense decode kernels.
func rowsCheck(rows int) check {
	return check{rows >= 1 && (rows <= tileRows || rows%tileRows == 0 && rows <= maxRows), "Rows from 1 to 8, or a multiple of 8 up to 32"}
}

const (
	maxRows  = 32 // the largest batch of the decode kernels
	tileRows = 8  // rows of a workgroup of the dense decode kernels, which hold a sum per row and output in registers
)

// rowTiles divides a batch among the workgroups of a dense decode kernel that have the same weights: how many they are, and the rows of each.
// They are neighbours in the grid, so all but one find the weights in a cache.
func rowTiles(rows int) (tiles, rowsEach int) {
	tiles = ceilDiv(rows, tileRows)
	return tiles, rows / tiles
}

// check is one condition on a shape.
type check struct {
	ok   bool
	want string
}

// checkShape returns the first condition that does not hold.
func checkShape(kernel string, checks ...check) error {
	for _, c := range checks {
		if !c.ok {
			return fmt.Errorf("%s: unsupported shape: want %s", kernel, c.want)
		}
	}
	return nil
}

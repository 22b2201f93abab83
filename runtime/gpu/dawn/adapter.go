//go:build (linux || darwin || windows) && (amd64 || arm64)

package dawn

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"
)

// Adapter is a way to reach one GPU.
type Adapter struct {
	Name     string
	Driver   string
	Vendor   string // empty where it is not known
	VendorID uint32 // PCI's
	Backend  string // "vulkan", "metal", "d3d12" or another of Dawn's
	Type     string // "discrete", "integrated", "cpu" or "unknown"

	// Matrices are the shapes that SubgroupMatrix has for factors of f16 and sums of f32.
	Matrices []Matrix

	library *Library
	options requestAdapterOptions // that bring this adapter
	device  uint32                // PCI's number
}

// Matrix is a shape of subgroup matrices: the sums are M x N, the factors M x K and K x N. It is for subgroups of Lanes invocations.
type Matrix struct{ M, N, K, Lanes int }

// backends are Dawn's by their numbers.
func backends() map[uint32]string {
	return map[uint32]string{3: "d3d11", 4: "d3d12", 5: "metal", 6: "vulkan", 7: "opengl", 8: "opengles"}
}

// wanted are the backends that are asked for adapters.
func wanted() []uint32 {
	switch runtime.GOOS {
	case "windows":
		return []uint32{4, 6}
	case "darwin":
		return []uint32{5}
	}
	return []uint32{6}
}

// Adapters lists the adapters, asking only as often as there were none. The API has no list: it names an adapter for each wish, so of several
// equal GPUs only one is found. Without any the list is empty, and reason has what Dawn says of that.
func (l *Library) Adapters() (list []*Adapter, reason, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, backend := range wanted() {
		for _, o := range []requestAdapterOptions{{powerPreference: highPerformance}, {powerPreference: lowPower}, {fallback: 1}} {
			if len(l.adapters) > 0 {
				return l.adapters, nil, nil
			}
			o.next, o.featureLevel, o.backendType = l.toggles, featureLevelCore, backend
			a, refused, err := l.adapter(o)
			switch {
			case err != nil:
				return nil, nil, err
			case refused != nil:
				reason = refused
			case !slices.ContainsFunc(list, a.same):
				list = append(list, a)
			}
		}
	}
	if len(list) > 0 {
		reason = nil
	}
	l.adapters = list
	return list, reason, nil
}

// same says that both are the same GPU by the same way.
func (a *Adapter) same(b *Adapter) bool {
	return a.Name == b.Name && a.Backend == b.Backend && a.VendorID == b.VendorID && a.device == b.device
}

// guarded is a struct that C fills in, with words behind it that it must leave alone.
type guarded[T any] struct {
	value T
	guard [32]uint32
}

// untouched is a word that C has not written.
const untouched = 0xA5A5A5A5

func newGuarded[T any]() *guarded[T] {
	g := &guarded[T]{}
	for i := range g.guard {
		g.guard[i] = untouched
	}
	return g
}

// intact says that nothing was written behind the struct.
func (g *guarded[T]) intact() bool {
	return !slices.ContainsFunc(g.guard[:], func(word uint32) bool { return word != untouched })
}

// errLayout says that the library's structs are not those that this package knows.
func errLayout(of string) error {
	return fmt.Errorf("its %s have another layout: its API is another version than this program's", of)
}

// adapter asks for an adapter; refused says why there is none.
func (l *Library) adapter(o requestAdapterOptions) (a *Adapter, refused, err error) {
	object, refused := l.request(l.f.InstanceRequestAdapter, l.instance, uintptr(unsafe.Pointer(&o)))
	if refused != nil {
		return nil, refused, nil
	}
	defer call(l.f.AdapterRelease, object)
	g := newGuarded[adapterInfo]()
	info := &g.value
	info.subgroupMin, info.subgroupMax = untouched, untouched
	if l.has(object, SubgroupMatrix) {
		info.next = &matrixConfigs{chain: chainedStruct{sType: matrixConfigsType}}
	}
	call(l.f.AdapterGetInfo, object, uintptr(unsafe.Pointer(g)))
	if !g.intact() || info.subgroupMin > info.subgroupMax || info.subgroupMax > 128 {
		return nil, nil, errLayout("descriptions of adapters")
	}
	a = &Adapter{
		Name: info.device.String(), Driver: info.description.String(), Vendor: info.vendor.String(), VendorID: info.vendorID,
		Backend: backends()[info.backendType], Type: "unknown", library: l, options: o, device: info.deviceID,
	}
	if types := []string{1: "discrete", "integrated", "cpu"}; info.adapterType > 0 && int(info.adapterType) < len(types) {
		a.Type = types[info.adapterType]
	}
	if info.next != nil {
		a.Matrices = matrices(info)
	}
	if a.Backend == "" {
		a.Backend = fmt.Sprintf("backend %d", info.backendType)
	}
	if a.Name == "" {
		a.Name = fmt.Sprintf("GPU %#x of %#x", info.deviceID, info.vendorID)
	}
	return a, nil, nil
}

// has says that an adapter has a feature.
func (l *Library) has(adapter uintptr, f Feature) bool {
	return uint32(call(l.f.AdapterHasFeature, adapter, uintptr(f))) != 0
}

// matrices lists the shapes of matrices with factors of f16 and sums of f32. The layout of the list is Dawn's own and has changed: one that
// cannot be is as good as none.
func matrices(info *adapterInfo) (list []Matrix) {
	if info.next.count == 0 || info.next.count > 1<<10 {
		return nil
	}
	for _, c := range unsafe.Slice((*matrixConfig)(info.next.configs), info.next.count) {
		possible := func(n uint32) bool { return n >= 4 && n <= 128 && n&(n-1) == 0 }
		if c.component < 1 || c.component > 6 || c.result < 1 || c.result > 6 || !possible(c.m) || !possible(c.n) || !possible(c.k) ||
			!possible(c.subgroupMin) || !possible(c.subgroupMax) || c.subgroupMin < info.subgroupMin || c.subgroupMax > info.subgroupMax {
			return nil
		}
		if c.component == matrixF16 && c.result == matrixF32 && c.subgroupMin == c.subgroupMax { // a kernel is for one size of subgroups
			list = append(list, Matrix{int(c.m), int(c.n), int(c.k), int(c.subgroupMax)})
		}
	}
	return list
}

// limits returns what the adapter allows.
func (l *Library) limits(adapter uintptr) (*Limits, error) {
	g := newGuarded[Limits]()
	m := &g.value
	m.maxImmediateSize = untouched
	call(l.f.AdapterGetLimits, adapter, uintptr(unsafe.Pointer(g)))
	// WebGPU promises these of every adapter.
	if !g.intact() || m.maxImmediateSize == untouched || m.maxBindGroups < 4 || m.MaxStorageBuffersPerShaderStage < 8 ||
		m.MaxStorageBufferBindingSize < 128<<20 || m.MaxBufferSize < 256<<20 || m.MaxComputeWorkgroupStorageSize < 16<<10 ||
		m.minUniformBufferOffsetAlignment > 256 || m.minStorageBufferOffsetAlignment > 256 || m.MaxComputeWorkgroupsPerDimension < 65535 {
		return nil, errLayout("limits")
	}
	return m, nil
}

// Request says what a device is to have.
type Request struct {
	Features        []Feature // of these, those that the adapter has
	MaxBindingBytes uint64    // 0: the adapter's
}

// Open opens the adapter with its limits.
func (a *Adapter) Open(r Request) (*Device, error) {
	l := a.library
	object, err := l.request(l.f.InstanceRequestAdapter, l.instance, uintptr(unsafe.Pointer(&a.options)))
	if err != nil {
		return nil, err
	}
	defer call(l.f.AdapterRelease, object)
	limits, err := l.limits(object)
	if err != nil {
		return nil, err
	}
	if r.MaxBindingBytes > 0 {
		limits.MaxStorageBufferBindingSize = min(limits.MaxStorageBufferBindingSize, r.MaxBindingBytes)
	}
	limits.MaxStorageBufferBindingSize -= limits.MaxStorageBufferBindingSize % 4
	if !l.has(object, implicitSync) {
		return nil, errors.New("this build of Dawn can't be used from several threads")
	}
	d := &Device{library: l, Limits: limits, lost: make(chan string, 1)}
	features := []uint32{uint32(implicitSync)}
	for _, f := range r.Features {
		if l.has(object, f) {
			d.Features = append(d.Features, f)
			features = append(features, uint32(f))
		}
	}
	return d, d.open(object, features)
}

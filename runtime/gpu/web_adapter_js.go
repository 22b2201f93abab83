package gpu

import (
	"strings"
	"syscall/js"

	"gossamer/shaders"
)

// adapterInfo translates a GPUAdapterInfo, of which browsers leave fields empty.
func adapterInfo(v js.Value) AdapterInfo {
	text := func(name string) string {
		if f := v.Get(name); f.Type() == js.TypeString {
			return f.String()
		}
		return ""
	}
	info := AdapterInfo{Vendor: text("vendor"), Driver: text("driver"), Backend: "webgpu", Type: "unknown"}
	parts := strings.Fields(text("vendor") + " " + text("architecture"))
	info.Name = text("description")
	if info.Name == "" {
		info.Name = strings.Join(parts, " ")
	}
	if info.Name == "" {
		info.Name = "WebGPU adapter"
	}
	if info.Vendor == "" {
		info.Vendor = "unknown"
	}
	if v.Get("isFallbackAdapter").Truthy() || softwareNames(text("architecture")+" "+text("device")+" "+text("description")) {
		info.Type = "cpu"
	}
	return info
}

// softwareNames reports whether an adapter's names are those of a software renderer. web/src/shared/device.ts knows the same ones.
func softwareNames(names string) bool {
	names = strings.ToLower(names)
	return strings.Contains(names, "swiftshader") || strings.Contains(names, "llvmpipe") || strings.Contains(names, "basic render")
}

// jsMatrix is the largest shape of matrices with f16 factors and f32 sums among those of a GPUAdapterInfo; the zero Matrix if it tells of none.
func jsMatrix(info js.Value) (best shaders.Matrix) {
	list, lanes := info.Get("subgroupMatrixConfigs"), info.Get("subgroupMaxSize")
	if list.Type() != js.TypeObject || lanes.Type() != js.TypeNumber || !info.Get("subgroupMinSize").Equal(lanes) {
		return best // a kernel is for one size of subgroups
	}
	for i := range list.Length() {
		c := list.Index(i)
		m := shaders.Matrix{M: c.Get("M").Int(), N: c.Get("N").Int(), K: c.Get("K").Int(), Lanes: lanes.Int()}
		if c.Get("componentType").String() == "f16" && c.Get("resultComponentType").String() == "f32" && m.M*m.N*m.K > best.M*best.N*best.K {
			best = m
		}
	}
	return best
}

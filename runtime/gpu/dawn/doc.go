// Package dawn calls Dawn, the WebGPU of Chrome, in a shared library that is loaded when the program runs: through the library's C API,
// webgpu.h, by github.com/ebitengine/purego, so that no C compiler is needed to build. It has what compute shaders need.
//
// Nobody promises that the C API stays as it is. So Load takes the builds of Dawn that were tried, by their SHA-256; of others it checks
// what can be checked. See runtime/RATIONALE.md.
//
// Functions may be called from several goroutines, as far as nobody uses what another one releases. Errors of a device are returned by
// the call that meets them, those of calls at the same time by either.
package dawn

// Package gpu runs compute shaders on WebGPU. It knows buffers, pipelines and recorded programs, and nothing of models.
//
// A Device is opened once. Buffers and pipelines are made at load time. A Program is a list of dispatches and copies that is
// recorded once, with its bind groups, and replayed by Submit as often as wanted: per call there is one command encoder, one
// compute pass between copies, one queue submit, and no new buffer.
//
// All sizes and offsets are bytes. Everything submitted runs in order; Read waits for what was submitted before it.
// A Device and what was made from it may be used from several goroutines.
//
// Two native bindings sit below native.go: github.com/oliverbestmann/webgpu by default, and github.com/cogentcore/webgpu
// with the build tag cogentcore. A build without cgo has Dawn, see dawn_native.go, if its library is found when the program runs; without it,
// and with the build tag static, there is no native WebGPU, and Open says so. In a browser the page makes the device and
// web/src/worker/gpu.ts replays the programs; see web_js.go.
package gpu

//go:build !cgo && !js && !static && (linux || darwin || windows) && (amd64 || arm64)

package gpu

// Lose makes the device lost, as its driver might, for tests.
func (d *Device) Lose() { d.raw.device.ForceLoss("a test wants it") }

//go:build !cgo && !js && !static && (linux || darwin || windows) && (amd64 || arm64)

package gpu

func ForceLoss(d *Device) { d.raw.device.ForceLoss("the test ends it") }

package kernel

// prefillShapes lists the prefill kernels in representative shapes, for All.
func prefillShapes() []config { return nil }

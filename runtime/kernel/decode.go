package kernel

// decodeShapes lists the decode kernels in representative shapes, for All.
func decodeShapes() []config {
	return []config{
		EmbedConfig{Hidden: 2880},
		EmbedConfig{Hidden: 32},
	}
}

package kernel

import (
	"fmt"

	"gossamer/shaders"
)

// All builds every kernel for a variant, in representative shapes: those of the published models and of the smallest ones that the
// kernels take. It is for checking that a compiler accepts them.
func All(v shaders.Variant) ([]shaders.Shader, error) {
	var all []shaders.Shader
	shapes := append(decodeShapes(), prefillShapes()...)
	if v.Matrix != (shaders.Matrix{}) {
		shapes = append(shapes, matrixShapes(v.Matrix)...)
	}
	for _, c := range shapes {
		s, err := c.shader(v)
		if err != nil {
			return nil, fmt.Errorf("kernel: %T: %w", c, err)
		}
		all = append(all, s)
	}
	return all, nil
}

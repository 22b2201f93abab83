package shaders

// Dialect is the WGSL front end that compiles a shader. They differ in what they accept beyond the common subset.
type Dialect int

const (
	Naga19 Dialect = iota // wgpu-native 0.19: no enable directives, no f16, no subgroups
	Naga                  // wgpu-native 29: f16 wants its enable line, subgroup functions want none
	Tint                  // browsers: every extension wants its enable line
)

// Variant says what a device's compiler understands.
type Variant struct {
	Dialect   Dialect
	F16       bool // the shader-f16 feature is on
	Subgroups bool // the subgroups feature is on
}

// Access is how a shader uses one binding.
type Access int

const (
	Uniform   Access = iota // var<uniform>
	Read                    // var<storage, read>
	ReadWrite               // var<storage, read_write>
)

// Shader is one compute shader, ready for a WGSL compiler. Its entry point is main.
type Shader struct {
	Name      string
	Source    string
	Workgroup [3]int   // invocations per workgroup
	Bindings  []Access // of group 0, by binding number
}

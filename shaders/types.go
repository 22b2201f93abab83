// Package shaders holds the WGSL kernels and builds them: Build turns a kernel's file, the library files that it uses and the
// values of its constants into one module that the front ends of all three dialects accept.
//
// A kernel is written in the common subset of the three, with a few directives in comments:
//
//	//const NAME meaning      NAME is a u32 constant of the kernel; Build wants a value for each, and no others
//	//use name                include lib/name.wgsl, or the file that the variant or a constant chooses (see Build)
//	//unroll i N              repeat the lines up to the matching //end, with $i replaced by 0, 1, ... N-1 (i is one letter,
//	//end                     N a literal, a constant, or a quotient A/B of such, rounded down; blocks nest)
package shaders

// Dialect is the WGSL front end that compiles a shader. They differ in what they accept beyond the common subset.
type Dialect int

const (
	Naga19 Dialect = iota // wgpu-native 0.19: no enable directives, no f16, no subgroups
	Naga                  // wgpu-native 29: f16 wants its enable line, subgroup functions want none
	Tint                  // browsers: every extension wants its enable line
)

func (d Dialect) String() string {
	switch d {
	case Naga19:
		return "naga 0.19"
	case Naga:
		return "naga"
	case Tint:
		return "tint"
	}
	return "unknown dialect"
}

// Variant says what a device offers to its shaders beyond the common subset. The zero Variant works everywhere.
type Variant struct {
	Dialect   Dialect
	F16       bool // the shader-f16 feature
	Subgroups bool // subgroup functions
	Matrix    Matrix
}

// Matrix is a shape of the matrices that a subgroup of Lanes invocations multiplies at once: f16 factors, M x K and K x N, and f32 sums, M x N.
// The zero Matrix is none.
type Matrix struct{ M, N, K, Lanes int }

// Access is how a shader uses one binding.
type Access int

const (
	Uniform   Access = iota // var<uniform>
	Read                    // var<storage, read>
	ReadWrite               // var<storage, read_write>
)

// Shader is one built kernel. Its entry point is main.
type Shader struct {
	Name      string   // the file's name without .wgsl
	Source    string   // the whole module
	Workgroup [3]int   // invocations per workgroup
	Bindings  []Access // of group 0, [binding]
}

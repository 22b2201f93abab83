package shaders

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const entry = "@compute @workgroup_size(WG)\nfn main() {}\n"

func testFiles(kernel string, libraries map[string]string) fstest.MapFS {
	m := fstest.MapFS{"k.wgsl": {Data: []byte(kernel)}}
	for name, text := range libraries {
		m["lib/"+name+".wgsl"] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestBuild(t *testing.T) {
	subgroup := map[string]string{"r": "// plain", "r_subgroup": "fn r(v: f32) -> f32 { return subgroupAdd(v); }"}
	for _, tt := range []struct {
		name      string
		kernel    string
		libraries map[string]string
		variant   Variant
		consts    map[string]int
		want      string
	}{
		{
			name:   "ConstantsAreSortedAndTyped",
			kernel: "//const WG lanes\n//const B b\nfn f() -> u32 { return B; }\n" + entry,
			consts: map[string]int{"WG": 64, "B": 7},
			want:   "const B: u32 = 7u;\nconst WG: u32 = 64u;\nfn f() -> u32 { return B; }\n" + entry,
		},
		{
			name:   "UnrollByLiteralAndConstant",
			kernel: "//const WG lanes\n//const N n\n//unroll i N\na$iu\n//unroll k 2\nb$i$k\n//end\n//end\n" + entry,
			consts: map[string]int{"WG": 1, "N": 2},
			want:   "const N: u32 = 2u;\nconst WG: u32 = 1u;\na0u\nb00\nb01\na1u\nb10\nb11\n" + entry,
		},
		{
			name:   "UnrollByQuotient",
			kernel: "//const WG lanes\n//unroll i WG/8\na$i\n//end\n" + entry,
			consts: map[string]int{"WG": 20},
			want:   "const WG: u32 = 20u;\na0\na1\n" + entry,
		},
		{
			name:   "UnrollZeroTimes",
			kernel: "//const WG lanes\n//unroll i 0\na$i\n//end\n" + entry,
			consts: map[string]int{"WG": 1},
			want:   "const WG: u32 = 1u;\n" + entry,
		},
		{
			name:      "LibrariesOnceAndBeforeTheirUsers",
			kernel:    "//const WG lanes\n//use a b\n" + entry,
			libraries: map[string]string{"a": "//use b\nA", "b": "//const X x\nB X"},
			consts:    map[string]int{"WG": 1, "X": 3},
			want:      "const WG: u32 = 1u;\nconst X: u32 = 3u;\nB X\nA\n" + entry,
		},
		{
			name:      "ChoiceByConstant",
			kernel:    "//const WG lanes\n//const KV_F16 precision\n//use kv\n" + entry,
			libraries: map[string]string{"kv_f16": "half", "kv_f32": "whole"},
			consts:    map[string]int{"WG": 1, "KV_F16": 1},
			want:      "const KV_F16: u32 = 1u;\nconst WG: u32 = 1u;\nhalf\n" + entry,
		},
		{
			name:      "SubgroupsWithoutThem",
			kernel:    "//const WG lanes\n//use r\n" + entry,
			libraries: subgroup,
			variant:   Variant{Dialect: Tint},
			consts:    map[string]int{"WG": 1},
			want:      "const WG: u32 = 1u;\n// plain\n" + entry,
		},
		{
			name:      "SubgroupsInTintAreEnabled",
			kernel:    "//const WG lanes\n//use r\n" + entry,
			libraries: subgroup,
			variant:   Variant{Dialect: Tint, Subgroups: true},
			consts:    map[string]int{"WG": 1},
			want:      "enable subgroups;\nconst WG: u32 = 1u;\nfn r(v: f32) -> f32 { return subgroupAdd(v); }\n" + entry,
		},
		{
			name:      "SubgroupsInNagaAreNot",
			kernel:    "//const WG lanes\n//use r\n" + entry,
			libraries: subgroup,
			variant:   Variant{Dialect: Naga, Subgroups: true},
			consts:    map[string]int{"WG": 1},
			want:      "const WG: u32 = 1u;\nfn r(v: f32) -> f32 { return subgroupAdd(v); }\n" + entry,
		},
		{
			name:    "F16IsEnabledWhereUsed",
			kernel:  "//const WG lanes\nvar<private> h: f16;\n" + entry,
			variant: Variant{Dialect: Naga, F16: true},
			consts:  map[string]int{"WG": 1},
			want:    "enable f16;\nconst WG: u32 = 1u;\nvar<private> h: f16;\n" + entry,
		},
		{
			name:    "F16InACommentOrALongerNameIsNot",
			kernel:  "//const WG lanes\nfn x() { unpack2x16float(1u); } // to f16\nfn f16x() {}\n" + entry,
			variant: Variant{F16: true},
			consts:  map[string]int{"WG": 1},
			want:    "const WG: u32 = 1u;\nfn x() { unpack2x16float(1u); } // to f16\nfn f16x() {}\n" + entry,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := build(testFiles(tt.kernel, tt.libraries), "k", tt.variant, tt.consts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, s.Source); diff != "" {
				t.Errorf("source (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBuildReadsBindingsAndWorkgroup(t *testing.T) {
	kernel := `//const WG lanes
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<u32>;  // @group(0) @binding(7) var<uniform>
@group(0) @binding(2) var<storage,read_write> b: array<u32>;
@compute @workgroup_size(WG, 4)
fn main() {}
`
	s, err := build(testFiles(kernel, nil), "k", Variant{}, map[string]int{"WG": 16})
	if err != nil {
		t.Fatal(err)
	}
	want := Shader{Name: "k", Source: s.Source, Workgroup: [3]int{16, 4, 1}, Bindings: []Access{Uniform, Read, ReadWrite}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("shader (-want +got):\n%s", diff)
	}
}

func TestBuildErrors(t *testing.T) {
	wg := map[string]int{"WG": 1}
	for _, tt := range []struct {
		name   string
		kernel string
		consts map[string]int
		want   string
	}{
		{"MissingConstant", "//const WG lanes\n" + entry, nil, "k.wgsl:1: constant WG has no value"},
		{"UnknownConstant", "//const WG lanes\n" + entry, map[string]int{"WG": 1, "X": 2}, "constant X is not declared"},
		{"UnusedConstant", "//const WG lanes\n//const X x\n// X\n" + entry, map[string]int{"WG": 1, "X": 2}, "constant X is never used"},
		{"UnusedButForPartOfAName", "//const WG lanes\n//const X x\nconst XX = 1; const X_ = 1;\n" + entry, map[string]int{"WG": 1, "X": 2}, "constant X is never used"},
		{"NegativeConstant", "//const WG lanes\n" + entry, map[string]int{"WG": -1}, "want an unsigned 32-bit value"},
		{"BadConstantName", "//const wg lanes\n" + entry, wg, "wants a name of capital letters"},
		{"UnknownLibrary", "//const WG lanes\n//use nothing\n" + entry, wg, "there is no lib/nothing.wgsl"},
		{"BadChoice", "//const WG lanes\n//const KV_F16 p\n//use kv\n" + entry, map[string]int{"WG": 1, "KV_F16": 2}, "KV_F16 is 2, want 0 or 1"},
		{"UnrollWithoutEnd", "//const WG lanes\n//unroll i 2\n" + entry, wg, "k.wgsl:2: //unroll without //end"},
		{"EndWithoutUnroll", "//const WG lanes\n//end\n" + entry, wg, "k.wgsl:2: //end without //unroll"},
		{"UnrollOfWhat", "//const WG lanes\n//unroll i\n//end\n" + entry, wg, "want //unroll letter count"},
		{"UnrollByAWord", "//const WG lanes\n//unroll row 2\n//end\n" + entry, wg, "want //unroll letter count"},
		{"UnrollTwiceByOneName", "//const WG lanes\n//unroll i 2\n//unroll i 2\n//end\n//end\n" + entry, wg, "k.wgsl:3: $i is the name of the enclosing block"},
		{"UnrollByZero", "//const WG lanes\n//unroll i WG/0\n//end\n" + entry, wg, `"WG/0" divides by zero`},
		{"UnrollHowOften", "//const WG lanes\n//unroll i N\n//end\n" + entry, wg, `"N" is neither a number nor a declared constant`},
		{"NotUnrolled", "//const WG lanes\n//unroll i 2\n$j\n//end\n" + entry, wg, "k.wgsl:3: $j is not the name of an enclosing //unroll"},
		{"F16Lacking", "//const WG lanes\nvar<private> h: f16;\n" + entry, wg, "uses f16, which the variant lacks"},
		{"SubgroupsLacking", "//const WG lanes\nfn f() { subgroupAdd(1u); }\n" + entry, wg, "uses subgroup functions, which the variant lacks"},
		{"BindingGap", "//const WG lanes\n@group(0) @binding(1) var<uniform> p: P;\n" + entry, wg, "binding 0 is declared as group 0 binding 1"},
		{"BindingGroup", "//const WG lanes\n@group(1) @binding(0) var<uniform> p: P;\n" + entry, wg, "binding 0 is declared as group 1 binding 0"},
		{"BindingAccess", "//const WG lanes\n@group(0) @binding(0) var<storage> p: P;\n" + entry, wg, "binding 0 is var<storage>"},
		{"BindingForm", "//const WG lanes\n@binding(0) @group(0) var<uniform> p: P;\n" + entry, wg, "0 of 1 bindings are written in the form"},
		{"NoEntry", "//const WG lanes\nconst X = WG;\n", wg, "want one @workgroup_size, got 0"},
		{"WorkgroupOfNothing", "//const WG lanes\n" + entry, map[string]int{"WG": 0}, "@workgroup_size: dimension 0 is 0"},
		{"WorkgroupUnknown", "@compute @workgroup_size(X)\nfn main() {}\n", nil, `"X" is neither`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := build(testFiles(tt.kernel, nil), "k", Variant{}, tt.consts)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if _, err := Build("nothing", Variant{}, nil); err == nil || !strings.Contains(err.Error(), "shaders: nothing: ") {
		t.Errorf("unknown kernel: error %v", err)
	}
}

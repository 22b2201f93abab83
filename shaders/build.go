package shaders

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
)

//go:embed *.wgsl lib/*.wgsl
var files embed.FS

// Build returns kernel name for a variant, with its constants set. A constant that is missing, not declared or never used is an
// error, and so are an unknown kernel and an unknown library file.
//
// "//use name" includes the first of these that applies:
//
//	lib/name_f16.wgsl or lib/name_f32.wgsl   if the kernel declares a constant NAME_F16: by its value, 1 or 0
//	lib/name_matrix.wgsl                     if the variant has matrices and the file exists
//	lib/name_subgroup.wgsl                   if the variant has subgroups and the file exists
//	lib/name_f16.wgsl                        if the variant has f16 and the file exists
//	lib/name.wgsl
//
// The lines that enable language extensions are added where the code uses them and the dialect wants them.
func Build(name string, v Variant, consts map[string]int) (Shader, error) {
	return build(files, name, v, consts)
}

func build(files fs.FS, name string, v Variant, consts map[string]int) (Shader, error) {
	b := builder{files: files, variant: v, consts: consts, declared: map[string]bool{}, used: map[string]bool{}, included: map[string]bool{}}
	s, err := b.build(name)
	if err != nil {
		return Shader{}, fmt.Errorf("shaders: %s: %w", name, err)
	}
	return s, nil
}

type builder struct {
	files    fs.FS
	variant  Variant
	consts   map[string]int
	declared map[string]bool // constants declared by the kernel or its libraries
	used     map[string]bool // constants that a directive used
	included map[string]bool // library names
	out      strings.Builder
}

func (b *builder) build(name string) (Shader, error) {
	if err := b.include(name + ".wgsl"); err != nil {
		return Shader{}, err
	}
	for _, c := range slices.Sorted(maps.Keys(b.consts)) {
		if !b.declared[c] {
			return Shader{}, fmt.Errorf("constant %s is not declared by the kernel", c)
		}
	}
	body := b.out.String()
	code := stripComments(body)

	var head strings.Builder
	if word(code, "f16") {
		if !b.variant.F16 {
			return Shader{}, fmt.Errorf("the code uses f16, which the variant lacks")
		}
		head.WriteString("enable f16;\n")
	}
	if callsSubgroups(code) {
		if !b.variant.Subgroups {
			return Shader{}, fmt.Errorf("the code uses subgroup functions, which the variant lacks")
		}
		if b.variant.Dialect == Tint { // naga knows the functions without the line, and rejects the line
			head.WriteString("enable subgroups;\n")
		}
	}
	if strings.Contains(code, "subgroup_matrix_") {
		if b.variant.Matrix == (Matrix{}) {
			return Shader{}, fmt.Errorf("the code uses matrices of subgroups, which the variant lacks")
		}
		// That all invocations of a subgroup use the same matrices follows from the order of invocations, which the front end does not know.
		head.WriteString("enable chromium_experimental_subgroup_matrix;\ndiagnostic(off, chromium.subgroup_matrix_uniformity);\n")
	}
	for _, c := range slices.Sorted(maps.Keys(b.declared)) {
		if !b.used[c] && !word(code, c) {
			return Shader{}, fmt.Errorf("constant %s is never used", c)
		}
		fmt.Fprintf(&head, "const %s: u32 = %du;\n", c, b.consts[c])
	}

	s := Shader{Name: name, Source: head.String() + body}
	var err error
	if s.Bindings, err = bindings(code); err != nil {
		return Shader{}, err
	}
	if s.Workgroup, err = b.workgroup(code); err != nil {
		return Shader{}, err
	}
	return s, nil
}

// include appends the file at path, with its directives carried out.
func (b *builder) include(path string) error {
	text, err := fs.ReadFile(b.files, path)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	// Constants first: a //use may be chosen by one.
	for i, line := range lines {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "//const "); ok {
			if err := b.declare(rest); err != nil {
				return fmt.Errorf("%s:%d: %w", path, i+1, err)
			}
		}
	}
	var libraries []string
	body, err := b.expand(path, lines, 0, nil, &libraries)
	if err != nil {
		return err
	}
	for _, name := range libraries {
		if b.included[name] {
			continue
		}
		b.included[name] = true
		lib, err := b.library(name)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := b.include(lib); err != nil {
			return err
		}
	}
	b.out.WriteString(body)
	return nil
}

func (b *builder) declare(directive string) error {
	name, _, _ := strings.Cut(strings.TrimSpace(directive), " ")
	if !isConstName(name) {
		return fmt.Errorf("//const wants a name of capital letters, digits and _, got %q", name)
	}
	value, ok := b.consts[name]
	if !ok {
		return fmt.Errorf("constant %s has no value", name)
	}
	if value < 0 || int64(value) > 1<<32-1 {
		return fmt.Errorf("constant %s is %d, want an unsigned 32-bit value", name, value)
	}
	b.declared[name] = true
	return nil
}

// library returns the path that "//use name" stands for.
func (b *builder) library(name string) (string, error) {
	if choice := strings.ToUpper(name) + "_F16"; b.declared[choice] {
		b.used[choice] = true
		switch b.consts[choice] {
		case 0:
			return "lib/" + name + "_f32.wgsl", nil
		case 1:
			return "lib/" + name + "_f16.wgsl", nil
		}
		return "", fmt.Errorf("constant %s is %d, want 0 or 1", choice, b.consts[choice])
	}
	var paths []string
	if b.variant.Matrix != (Matrix{}) {
		paths = append(paths, "lib/"+name+"_matrix.wgsl")
	}
	if b.variant.Subgroups {
		paths = append(paths, "lib/"+name+"_subgroup.wgsl")
	}
	if b.variant.F16 {
		paths = append(paths, "lib/"+name+"_f16.wgsl")
	}
	paths = append(paths, "lib/"+name+".wgsl")
	for _, p := range paths {
		if _, err := fs.Stat(b.files, p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("//use %s: there is no lib/%s.wgsl", name, name)
}

// unrolled is one enclosing //unroll block: $name stands for value.
type unrolled struct {
	name  string
	value int
}

// expand carries out //unroll and collects //use. first is the number of lines before these in the file.
func (b *builder) expand(path string, lines []string, first int, outer []unrolled, libraries *[]string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		fail := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", path, first+i+1, fmt.Sprintf(format, args...))
		}
		switch {
		case strings.HasPrefix(line, "//const "):
		case strings.HasPrefix(line, "//use "):
			*libraries = append(*libraries, strings.Fields(line)[1:]...)
		case line == "//end":
			return "", fail("//end without //unroll")
		case strings.HasPrefix(line, "//unroll "):
			f := strings.Fields(line)
			if len(f) != 3 || !isLoopName(f[1]) {
				return "", fail("want //unroll letter count")
			}
			if slices.ContainsFunc(outer, func(u unrolled) bool { return u.name == f[1] }) {
				return "", fail("$%s is the name of the enclosing block", f[1])
			}
			n, err := b.number(f[2])
			if err != nil {
				return "", fail("%v", err)
			}
			last, ok := blockEnd(lines, i)
			if !ok {
				return "", fail("//unroll without //end")
			}
			for k := range n {
				text, err := b.expand(path, lines[i+1:last], first+i+1, append(slices.Clip(outer), unrolled{f[1], k}), libraries)
				if err != nil {
					return "", err
				}
				out.WriteString(text)
			}
			i = last
		default:
			text, err := substitute(lines[i], outer)
			if err != nil {
				return "", fail("%v", err)
			}
			out.WriteString(text)
			out.WriteByte('\n')
		}
	}
	return out.String(), nil
}

// blockEnd finds the //end that belongs to the //unroll in line i.
func blockEnd(lines []string, i int) (int, bool) {
	depth := 0
	for ; i < len(lines); i++ {
		switch line := strings.TrimSpace(lines[i]); {
		case strings.HasPrefix(line, "//unroll "):
			depth++
		case line == "//end":
			if depth--; depth == 0 {
				return i, true
			}
		}
	}
	return 0, false
}

func substitute(line string, blocks []unrolled) (string, error) {
	var err error
	return replaceUses(line, func(name string) string {
		for _, u := range blocks {
			if u.name == name {
				return strconv.Itoa(u.value)
			}
		}
		err = fmt.Errorf("$%s is not the name of an enclosing //unroll", name)
		return "$" + name
	}), err
}

// number evaluates a literal, a constant, or a quotient of such, rounded down.
func (b *builder) number(s string) (int, error) {
	if over, under, ok := strings.Cut(s, "/"); ok {
		x, err := b.number(over)
		if err != nil {
			return 0, err
		}
		y, err := b.number(under)
		if err == nil && y == 0 {
			err = fmt.Errorf("%q divides by zero", s)
		}
		if err != nil {
			return 0, err
		}
		return x / y, nil
	}
	if b.declared[s] {
		b.used[s] = true
		return b.consts[s], nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(s, "u"))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is neither a number nor a declared constant", s)
	}
	return n, nil
}

// workgroup reads @workgroup_size of the entry point.
func (b *builder) workgroup(code string) ([3]int, error) {
	var sizes []string
	between(code, "@workgroup_size(", ")", func(inside, _ string) { sizes = append(sizes, inside) })
	if len(sizes) != 1 {
		return [3]int{}, fmt.Errorf("want one @workgroup_size, got %d", len(sizes))
	}
	size := [3]int{1, 1, 1}
	args := strings.Split(sizes[0], ",")
	if len(args) > 3 {
		return [3]int{}, fmt.Errorf("@workgroup_size has %d dimensions", len(args))
	}
	for i, a := range args {
		n, err := b.number(strings.TrimSpace(a))
		if err != nil {
			return [3]int{}, fmt.Errorf("@workgroup_size: %w", err)
		}
		if n < 1 {
			return [3]int{}, fmt.Errorf("@workgroup_size: dimension %d is %d", i, n)
		}
		size[i] = n
	}
	return size, nil
}

// bindings reads the @binding declarations, which are numbered from 0 in order and all in group 0.
func bindings(code string) ([]Access, error) {
	var access []Access
	var err error
	between(code, "@group(", ">", func(inside, _ string) {
		group, rest, ok := strings.Cut(inside, ") @binding(")
		number, kind, isVar := strings.Cut(rest, ") var<")
		if !ok || !isVar || err != nil {
			return // it is counted below
		}
		if group != "0" || number != strconv.Itoa(len(access)) {
			err = fmt.Errorf("binding %d is declared as group %s binding %s", len(access), group, number)
			return
		}
		switch strings.ReplaceAll(kind, " ", "") {
		case "uniform":
			access = append(access, Uniform)
		case "storage,read":
			access = append(access, Read)
		case "storage,read_write":
			access = append(access, ReadWrite)
		default:
			err = fmt.Errorf("binding %d is var<%s>, want uniform, storage with read or storage with read_write", len(access), kind)
		}
	})
	if err != nil {
		return nil, err
	}
	if n := strings.Count(code, "@binding("); n != len(access) {
		return nil, fmt.Errorf("%d of %d bindings are written in the form \"@group(0) @binding(n) var<...>\"", len(access), n)
	}
	return access, nil
}

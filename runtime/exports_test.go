//go:build !js

package runtime

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unusedExports are the exported names without a caller that stay, each with the reason.
var unusedExports = map[string]string{
	"runtime/harmony.Text": "one of the three kinds of Content; NewText makes it",

	"runtime/kernel.DownRowsConfig.WeightBytes":   counted,
	"runtime/kernel.GateUpRowsConfig.WeightBytes": counted,

	"runtime/checkpoint/remote.StatusError.Is": "errors.Is calls it",

	"runtime/gpu.Device.Lose": tests,

	"runtime/openai.MaxChoices":   server,
	"runtime/openai.NewModelList": server,

	"runtime/sample.Noise":      tests,
	"runtime/tensor.BF16ToF32":  tests,
	"runtime/tensor.F16ToF32":   tests,
	"runtime/tensor.F32ToBF16":  tests,
	"runtime/tensor.F32ToF16":   tests,
	"runtime/tensor.MXFP4ToF32": tests,
}

const (
	server  = "of a server of the API; the rules of the page are tested against what it writes"
	counted = "what a step reads, for tests"
	tests   = "tests of other packages prepare data or check results with it"
)

// TestArchitectureExports fails for exported names of runtime/... and shaders that nothing outside the package and outside tests
// uses. Tests are no callers, nor are the packages that help tests: what only they need is theirs.
//
// A name is in use if another package names it, or if it is part of the type of a name in use. Some names need less, because they
// belong together with others: for methods of interfaces, fields, and constants of a type of ours a use in their own package is
// enough; methods by which a type satisfies an interface need none. Programs that embed this one use gossamer/runtime, and the
// requests and replies of gossamer/runtime/chat: the names of these two need no caller here.
func TestArchitectureExports(t *testing.T) {
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(strings.TrimSpace(string(cc))); err != nil {
		t.Skip("without a C compiler not all builds can be examined: ", err)
	}
	e := &exports{t: t, declared: map[string]string{}, used: map[string]bool{}, parts: map[string][]string{}}
	for _, b := range builds {
		e.add(b)
	}
	reached := map[string]bool{}
	var reach func(string)
	reach = func(name string) {
		if reached[name] {
			return
		}
		reached[name] = true
		for _, part := range e.parts[name] {
			reach(part)
		}
	}
	for name := range e.used {
		reach(name)
	}
	for name := range unusedExports {
		for _, part := range e.parts[name] {
			if part != name {
				reach(part)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.declared)) {
		_, stays := unusedExports[name]
		switch {
		case !reached[name] && !stays:
			t.Errorf("%s: %s is exported, and no other package uses it outside tests", e.declared[name], name)
		case reached[name] && stays:
			t.Errorf("%s is in use: take it from the list of this test", name)
		}
	}
	for name := range unusedExports {
		if e.declared[name] == "" {
			t.Errorf("%s does not exist: take it from the list of this test", name)
		}
	}
}

// exports collects over builds. Names are "package.Name" or "package.Type.Name", the package without the module's.
type exports struct {
	t        *testing.T
	declared map[string]string   // exported name: where
	used     map[string]bool     // names in use by themselves
	parts    map[string][]string // name: the types that its own type is made of
}

// checked is a package of ours, from its source.
type checked struct {
	pkg  *types.Package
	info *types.Info
}

// add type-checks the module in one build, without tests, and collects its names.
func (e *exports) add(b build) {
	own, other := map[string]listed{}, map[string]bool{}
	for _, p := range b.list(e.t, b.packages...) {
		own[p.ImportPath] = p
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, "gossamer/") && imp != "C" && imp != "unsafe" {
				other[imp] = true
			}
		}
	}
	data := map[string]string{}
	for _, p := range b.list(e.t, append([]string{"-export"}, slices.Sorted(maps.Keys(other))...)...) {
		data[p.ImportPath] = p.Export
	}
	fset := token.NewFileSet()
	l := &loader{fset: fset, own: own, done: map[string]*checked{}}
	l.other = importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(data[path]) })
	for path := range own {
		if _, err := l.Import(path); err != nil {
			e.t.Fatalf("%s: %v", b.name, err)
		}
	}

	keys := map[types.Object][]string{}
	for _, p := range l.done {
		for _, name := range p.pkg.Scope().Names() {
			e.declare(fset, keys, p.pkg, name)
		}
	}
	var interfaces []*types.Interface
	for _, p := range l.done {
		interfaces = append(interfaces, interfacesOf(p)...)
	}
	for _, p := range l.done {
		e.use(keys, p)
		e.satisfy(keys, p.pkg, interfaces)
	}
}

// loader imports packages: ours from source, so that each has one object for each name, the others from what the compiler exports.
type loader struct {
	fset  *token.FileSet
	own   map[string]listed
	done  map[string]*checked
	other types.Importer
}

func (l *loader) Import(path string) (*types.Package, error) {
	p, ok := l.own[path]
	if !ok {
		return l.other.Import(path)
	}
	if c := l.done[path]; c != nil {
		return c.pkg, nil
	}
	var files []*ast.File
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		f, err := parser.ParseFile(l.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}
	conf := types.Config{Importer: l, FakeImportC: true}
	pkg, err := conf.Check(path, l.fset, files, info)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l.done[path] = &checked{pkg, info}
	return pkg, nil
}

// declare notes a name of a package with its fields and methods.
func (e *exports) declare(fset *token.FileSet, keys map[types.Object][]string, pkg *types.Package, name string) {
	path := strings.TrimPrefix(pkg.Path(), "gossamer/")
	_, helper := testOnly[path]
	examined := !helper && !isCommand(path) && path != "runtime" && path != "runtime/chat" && token.IsExported(name)
	note := func(key string, o types.Object) {
		keys[o] = append(keys[o], key) // types of one structure share its fields
		e.parts[key] = append(e.parts[key], mentioned(o.Type())...)
		if examined && o.Exported() {
			pos := fset.Position(o.Pos())
			e.declared[key] = fmt.Sprintf("%s/%s:%d", path, filepath.Base(pos.Filename), pos.Line)
		}
	}
	o := pkg.Scope().Lookup(name)
	key := path + "." + name
	note(key, o)
	tn, ok := o.(*types.TypeName)
	if !ok {
		return
	}
	if tn.IsAlias() {
		e.parts[key] = append(e.parts[key], mentioned(types.Unalias(tn.Type()))...)
		return
	}
	named := tn.Type().(*types.Named)
	for m := range named.Methods() {
		note(key+"."+m.Name(), m)
	}
	switch u := named.Underlying().(type) {
	case *types.Struct:
		for i := range u.NumFields() {
			f := u.Field(i)
			note(key+"."+f.Name(), f)
			if f.Embedded() || u.Tag(i) != "" {
				e.used[key+"."+f.Name()] = true
			}
		}
	case *types.Interface:
		for m := range u.ExplicitMethods() {
			note(key+"."+m.Name(), m)
		}
	default:
		e.parts[key] = append(e.parts[key], mentioned(u)...)
	}
}

// use notes what a package uses of others, and of its own fields and interfaces.
func (e *exports) use(keys map[types.Object][]string, p *checked) {
	if _, helper := testOnly[strings.TrimPrefix(p.pkg.Path(), "gossamer/")]; helper {
		return
	}
	for _, o := range p.info.Uses {
		counts := o.Pkg() != p.pkg
		switch x := o.(type) {
		case *types.Func:
			o = x.Origin()
			if recv := x.Signature().Recv(); recv != nil && types.IsInterface(recv.Type()) {
				counts = true
			}
		case *types.Var:
			o, counts = x.Origin(), counts || x.IsField()
		case *types.Const:
			_, enum := x.Type().(*types.Named)
			counts = counts || enum && x.Parent() == p.pkg.Scope()
		}
		if counts {
			e.mark(keys[o])
		}
	}
}

// mark notes names as used.
func (e *exports) mark(names []string) {
	for _, name := range names {
		e.used[name] = true
	}
}

// satisfy notes the methods by which the types of a package satisfy interfaces.
func (e *exports) satisfy(keys map[types.Object][]string, pkg *types.Package, interfaces []*types.Interface) {
	for _, name := range pkg.Scope().Names() {
		tn, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok || tn.IsAlias() || types.IsInterface(tn.Type()) {
			continue
		}
		named := tn.Type().(*types.Named)
		if named.NumMethods() == 0 {
			continue
		}
		for _, in := range interfaces {
			if !types.Implements(types.NewPointer(named), in) {
				continue
			}
			for m := range in.Methods() {
				if o, _, _ := types.LookupFieldOrMethod(named, true, pkg, m.Name()); o != nil {
					e.mark(keys[o])
				}
			}
		}
	}
}

// interfacesOf returns the interfaces that values of a package's types may be asked for: those written in it, and those of the
// packages that it imports.
func interfacesOf(p *checked) []*types.Interface {
	var all []*types.Interface
	add := func(typ types.Type) {
		if in, ok := typ.Underlying().(*types.Interface); ok && in.NumMethods() > 0 && in.IsMethodSet() {
			all = append(all, in)
		}
	}
	for _, tv := range p.info.Types {
		if tv.IsType() {
			add(tv.Type)
		}
	}
	for _, imp := range p.pkg.Imports() {
		for _, name := range imp.Scope().Names() {
			if tn, ok := imp.Scope().Lookup(name).(*types.TypeName); ok && tn.Exported() {
				add(tn.Type())
			}
		}
	}
	add(types.Universe.Lookup("error").Type())
	// Package errors asks for this one without a name.
	failure := types.NewVar(token.NoPos, nil, "", types.Universe.Lookup("error").Type())
	unwrap := types.NewFunc(token.NoPos, nil, "Unwrap", types.NewSignatureType(nil, nil, nil, nil, types.NewTuple(failure), false))
	add(types.NewInterfaceType([]*types.Func{unwrap}, nil).Complete())
	return all
}

// mentioned returns the keys of the named types of ours that a type is made of.
func mentioned(t types.Type) []string {
	var names []string
	seen := map[types.Type]bool{}
	var walk func(types.Type)
	walk = func(t types.Type) {
		if t == nil || seen[t] {
			return
		}
		seen[t] = true
		switch t := t.(type) {
		case *types.Named:
			if o := t.Obj(); o.Pkg() != nil && strings.HasPrefix(o.Pkg().Path(), "gossamer/") {
				names = append(names, strings.TrimPrefix(o.Pkg().Path(), "gossamer/")+"."+o.Name())
			}
			for a := range t.TypeArgs().Types() {
				walk(a)
			}
		case *types.Alias:
			if o := t.Obj(); o.Pkg() != nil && strings.HasPrefix(o.Pkg().Path(), "gossamer/") {
				names = append(names, strings.TrimPrefix(o.Pkg().Path(), "gossamer/")+"."+o.Name())
			}
			walk(t.Rhs())
		case *types.Signature:
			walk(t.Params())
			walk(t.Results())
		case *types.Tuple:
			for v := range t.Variables() {
				walk(v.Type())
			}
		case *types.Struct:
			for f := range t.Fields() {
				walk(f.Type())
			}
		case *types.Interface:
			for m := range t.Methods() {
				walk(m.Type())
			}
		case *types.Map:
			walk(t.Key())
			walk(t.Elem())
		case *types.Pointer:
			walk(t.Elem())
		case *types.Slice:
			walk(t.Elem())
		case *types.Array:
			walk(t.Elem())
		case *types.Chan:
			walk(t.Elem())
		}
	}
	walk(t)
	slices.SortFunc(names, cmp.Compare[string])
	return slices.Compact(names)
}

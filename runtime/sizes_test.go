//go:build !js

package runtime

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	maxFileLines     = 450 // of a Go file of runtime/, tests included
	maxFunctionLines = 80  // of a function outside tests, from func to its closing brace
)

// longFunctions are the functions that may have more than maxFunctionLines lines because they are tables, each with the reason.
var longFunctions = map[string]string{
	"runtime/openai.decodeRequest": "a table of the request's fields: one after the other, each with its rule",
}

// TestArchitectureSizes fails for Go files and functions that are too long to be read in one piece. It parses the files whatever
// platform and build tags they are for.
func TestArchitectureSizes(t *testing.T) {
	root := os.DirFS("..")
	long := map[string]bool{} // the entries of longFunctions that are needed
	for _, top := range []string{"runtime", "shaders", "wasm", "tools"} {
		err := fs.WalkDir(root, top, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) != ".go" {
				return err
			}
			data, err := fs.ReadFile(root, name)
			if err != nil {
				return err
			}
			files := token.NewFileSet()
			f, err := parser.ParseFile(files, name, data, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			if n := files.File(f.FileStart).LineCount() - 1; top == "runtime" && n > maxFileLines { // the last line is empty
				t.Errorf("%s has %d lines, at most %d are allowed: divide it by subject", name, n, maxFileLines)
			}
			if strings.HasSuffix(name, "_test.go") {
				return nil
			}
			for _, decl := range f.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				n := files.Position(fn.End()).Line - files.Position(fn.Pos()).Line + 1
				if n <= maxFunctionLines {
					continue
				}
				key := path.Dir(name) + "." + functionName(fn)
				if _, ok := longFunctions[key]; !ok {
					t.Errorf("%s: %s has %d lines, at most %d are allowed: divide it into steps, or add %q to longFunctions with the reason if it is a table",
						files.Position(fn.Pos()), functionName(fn), n, maxFunctionLines, key)
				}
				long[key] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(longFunctions)) {
		if !long[key] {
			t.Errorf("longFunctions has %s, which does not exist or has at most %d lines: remove the entry", key, maxFunctionLines)
		}
	}
}

// functionName is the name of a function, or of a method after that of its receiver's type.
func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	receiver := fn.Recv.List[0].Type
	if p, ok := receiver.(*ast.StarExpr); ok {
		receiver = p.X
	}
	switch generic := receiver.(type) {
	case *ast.IndexExpr:
		receiver = generic.X
	case *ast.IndexListExpr:
		receiver = generic.X
	}
	return receiver.(*ast.Ident).Name + "." + fn.Name.Name
}

package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strings"
	"testing"
)

// TestGoDoc: each package has a comment, and so has each exported name below runtime, of its own or that of its group. Fields and methods that
// satisfy an interface say enough by their names.
func TestGoDoc(t *testing.T) {
	packages := map[string]bool{} // by directory, whether it has a comment
	fset := token.NewFileSet()
	names := 0
	for _, name := range files(t) {
		dir := path.Dir(name)
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || !strings.HasPrefix(dir+"/", "runtime/") && dir != "shaders" {
			continue
		}
		file, err := parser.ParseFile(fset, root+name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		packages[dir] = packages[dir] || file.Doc != nil
		for _, d := range file.Decls {
			names += len(exportedOf(d))
			for _, missing := range undocumented(d) {
				t.Errorf("%s: %s has no comment", fset.Position(d.Pos()), missing)
			}
		}
	}
	for dir, commented := range packages {
		if !commented {
			t.Errorf("package %s has no comment", dir)
		}
	}
	if names < 500 {
		t.Errorf("only %d exported names were found", names)
	}
}

// exportedOf are the exported names of a declaration.
func exportedOf(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || exportedReceiver(d.Recv.List[0].Type)) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() {
					names = append(names, spec.Name.Name)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

func exportedReceiver(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.StarExpr:
		return exportedReceiver(t.X)
	case *ast.IndexExpr:
		return exportedReceiver(t.X)
	case *ast.Ident:
		return t.IsExported()
	}
	return false
}

// undocumented are the exported names of a declaration without a comment.
func undocumented(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		ofInterface := d.Recv != nil && (d.Name.Name == "Error" || d.Name.Name == "String" || d.Name.Name == "Unwrap")
		if d.Doc == nil && !ofInterface {
			return exportedOf(d)
		}
	case *ast.GenDecl:
		if d.Doc != nil {
			return nil
		}
		for _, spec := range d.Specs {
			one := &ast.GenDecl{Specs: []ast.Spec{spec}}
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Doc == nil && spec.Comment == nil {
					names = append(names, exportedOf(one)...)
				}
			case *ast.ValueSpec:
				if spec.Doc == nil && spec.Comment == nil && !typedConstants(d) {
					names = append(names, exportedOf(one)...)
				}
			}
		}
	}
	return names
}

// typedConstants says whether a group has values of a type of its own, whose comment explains them.
func typedConstants(d *ast.GenDecl) bool {
	first, ok := d.Specs[0].(*ast.ValueSpec)
	return ok && d.Tok == token.CONST && first.Type != nil
}

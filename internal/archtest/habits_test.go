package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// forbidden lists what libraries do not touch, by package and name; a name
// ending in * is a prefix. The process belongs to cmd and commands.SystemEnv.
func forbidden() map[string][]string {
	return map[string][]string{
		"fmt":     {"Print*"},
		"os":      {"Exit", "Getenv", "LookupEnv", "Environ", "Getwd", "Chdir", "Stdin", "Stdout", "Stderr"},
		"log":     {"*"},
		"http":    {"Default*", "Get", "Post", "PostForm", "Head"},
		"context": {"Background", "TODO"},
		"time":    {"Sleep"},
		"exec":    {"Command"},
	}
}

// exempt are the files that are the process, and the programs that run inside
// functions rather than in the CLI.
func exempt(path string) bool {
	return strings.HasPrefix(path, "cmd/") || path == "commands/env.go" || strings.HasPrefix(path, "templates/embedded/")
}

func TestHabits(t *testing.T) {
	t.Parallel()
	rules := forbidden()
	fset := token.NewFileSet()
	for path, file := range sources(t, fset) {
		if exempt(path) {
			continue
		}
		imports := importNames(file)
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok || x.Obj != nil || imports[x.Name] == "" {
				return true
			}
			if matches(rules[imports[x.Name]], sel.Sel.Name) {
				t.Errorf("%s: %s.%s is not for libraries", fset.Position(sel.Pos()), x.Name, sel.Sel.Name)
			}
			return true
		})
		for _, decl := range file.Decls {
			for _, problem := range packageState(decl) {
				t.Errorf("%s: %s", fset.Position(decl.Pos()), problem)
			}
		}
	}
}

// importNames maps the names by which a file knows standard packages to their
// base names.
func importNames(file *ast.File) map[string]string {
	names := map[string]string{}
	for _, imp := range file.Imports {
		path := strings.Trim(imp.Path.Value, `"`)
		if strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
			continue
		}
		base := filepath.Base(path)
		name := base
		if imp.Name != nil {
			name = imp.Name.Name
		}
		names[name] = base
	}
	return names
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		prefix, wild := strings.CutSuffix(p, "*")
		return p == name || wild && strings.HasPrefix(name, prefix)
	})
}

// packageState names init functions and package variables. Sentinel errors,
// interface assertions, embedded files and values computed once are no state.
func packageState(decl ast.Decl) []string {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Name.Name == "init" {
			return []string{"init functions run before anybody asked"}
		}
	case *ast.GenDecl:
		if d.Tok != token.VAR || isEmbed(d.Doc) {
			return nil
		}
		var problems []string
		for _, spec := range d.Specs {
			v := spec.(*ast.ValueSpec)
			if isEmbed(v.Doc) || len(v.Values) > 0 && (callOf(v.Values[0], "errors", "New") || callOf(v.Values[0], "sync", "OnceValue") || callOf(v.Values[0], "sync", "OnceValues")) {
				continue
			}
			for _, name := range v.Names {
				if name.Name != "_" {
					problems = append(problems, fmt.Sprintf("package variable %s is state that everybody shares", name.Name))
				}
			}
		}
		return problems
	}
	return nil
}

func isEmbed(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed") })
}

func callOf(e ast.Expr, pkg, name string) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	fun := call.Fun
	if index, ok := fun.(*ast.IndexExpr); ok {
		fun = index.X
	}
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg && sel.Sel.Name == name
}

// sources parses the Go files of the module, without tests, by their path
// from its root.
func sources(t *testing.T, fset *token.FileSet) map[string]*ast.File {
	t.Helper()
	const root = "../.."
	files := map[string]*ast.File{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "testdata" || path != root && strings.HasPrefix(name, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") || strings.HasPrefix(rel, "internal/gatewaytest/") || strings.HasPrefix(rel, "internal/enginetest/") || strings.HasPrefix(rel, "internal/processtest/") {
			return nil
		}
		files[filepath.ToSlash(rel)], err = parser.ParseFile(fset, path, nil, parser.ParseComments)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

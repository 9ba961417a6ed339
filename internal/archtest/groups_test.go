package archtest

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// TestImportGroups holds the order of imports: the standard library, others,
// our own, with a blank line between them. gofmt sorts within a group only.
func TestImportGroups(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	for path, file := range sources(t, fset) {
		var before *ast.ImportSpec
		for _, spec := range file.Imports {
			if before != nil {
				apart := fset.Position(spec.Pos()).Line - fset.Position(before.End()).Line
				switch was, is := importGroup(before), importGroup(spec); {
				case is < was:
					t.Errorf("%s: import %s stands below a later group", path, spec.Path.Value)
				case is > was && apart < 2:
					t.Errorf("%s: no blank line above import %s, which begins a group", path, spec.Path.Value)
				}
			}
			before = spec
		}
	}
}

// importGroup is 0 for the standard library, 2 for our own, 1 for all others.
func importGroup(spec *ast.ImportSpec) int {
	path, _ := strconv.Unquote(spec.Path.Value) // the parser has accepted it
	first, _, _ := strings.Cut(path, "/")
	switch {
	case strings.HasPrefix(path, "github.com/faas-cli/"):
		return 2
	case strings.Contains(first, "."):
		return 1
	}
	return 0
}

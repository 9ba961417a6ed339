package commands

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/stack"
)

func newStackCmd(env *Env) *cobra.Command {
	return newGroupCmd("stack", "Check, show and change stack files",
		`Check, show and change the stack file. Changes are spliced into its text:
comments, order, quotes and blank lines stay as they are.`,
		"  faas-cli stack validate\n  faas-cli stack set functions.api.image=ghcr.io/me/api:2",
		newStackAddCmd(env),
		newStackConfigCmd(env),
		newStackImportCmd(env),
		newStackListCmd(env),
		newStackRemoveCmd(env),
		newStackRenameCmd(env),
		newStackSchemaCmd(env),
		newStackSetCmd(env),
		newStackValidateCmd(env),
	)
}

// stackFilePerm is the mode of a new stack file: it may hold build arguments
// and environment variables.
const stackFilePerm fs.FileMode = 0o600

// editStack changes the one stack file that o means. An unchanged file is not
// written. It returns the file's path.
func (e *Env) editStack(o stackFlags, change func(path string, text []byte) ([]byte, error)) (string, error) {
	if len(o.files) > 1 {
		return "", usagef("a change goes into one stack file, give -f once")
	}
	files := o.files
	if o.explicit && len(files) == 0 {
		files = []string{""}
	}
	d, err := stack.Discover(e.Dir, files)
	if err != nil {
		return "", err
	}
	if err := needStack(d); err != nil {
		return "", err
	}
	for _, note := range d.Notes {
		e.progressf("note: %s", note)
	}
	path := d.Paths[0]
	if stack.IsURL(path) {
		return "", fmt.Errorf("change %q: a remote stack file cannot be changed", path)
	}
	full := e.abs(path)
	text, err := os.ReadFile(full)
	if err != nil {
		return "", fmt.Errorf("change stack file: %w", err)
	}
	changed, err := change(path, text)
	if err != nil {
		return "", hintEdit(err)
	}
	if bytes.Equal(text, changed) {
		return path, nil
	}
	if err := atomicfile.UpdateBytes(full, stackFilePerm, changed); err != nil {
		return "", fmt.Errorf("write stack file %q: %w", path, err)
	}
	return path, nil
}

// hintEdit adds what can be done about a change that was refused.
func hintEdit(err error) error {
	var unsafe *stack.EditError
	switch {
	case errors.As(err, &unsafe):
		return withHint(err, "nothing was written; make this change in an editor")
	case errors.Is(err, stack.ErrNoFunction):
		return withHint(err, "faas-cli stack list shows the functions")
	}
	return err
}

package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/stack"
)

type stackListOptions struct {
	stack  stackFlags
	format formatFlags
}

func newStackListCmd(env *Env) *cobra.Command {
	o := stackListOptions{}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the functions of the stack file",
		Long:    "List the functions of the stack file in its order, with template, image,\nnamespace, size of the handler and secrets.",
		Example: "  faas-cli stack list\n  faas-cli stack list --filter 'api-*' --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.stack.complete(cmd)
			return runStackList(cmd.Context(), env, o)
		},
	}
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	o.format.register(cmd)
	return cmd
}

// stackRow is a line of stack list. The order of the fields is that of the
// JSON.
type stackRow struct {
	Name      string   `json:"name"`
	Lang      string   `json:"lang,omitempty"`
	Image     string   `json:"image,omitempty"`
	Namespace string   `json:"namespace,omitempty"`
	Handler   string   `json:"handler,omitempty"`
	Files     int      `json:"handlerFiles"` // regular files below the handler
	Bytes     int64    `json:"handlerBytes"` // their size; -1: no such folder
	SkipBuild bool     `json:"skipBuild,omitempty"`
	Secrets   []string `json:"secrets"`
}

func runStackList(ctx context.Context, env *Env, o stackListOptions) error {
	f, err := env.requireStack(ctx, o.stack)
	if err != nil {
		return err
	}
	rows := make([]stackRow, len(f.Functions))
	for i := range f.Functions {
		if rows[i], err = env.stackRow(&f.Functions[i]); err != nil {
			return err
		}
	}
	return output.Printer[stackRow]{
		Format: o.format.format(),
		Name:   func(r stackRow) string { return r.Name },
		Columns: []output.Column[stackRow]{
			{Header: "Function", Value: func(r stackRow) string { return r.Name }},
			{Header: "Template", Value: func(r stackRow) string {
				if r.SkipBuild {
					return "(prebuilt)"
				}
				return r.Lang
			}},
			{Header: "Image", Value: func(r stackRow) string { return r.Image }},
			{Header: "Namespace", Value: func(r stackRow) string { return r.Namespace }},
			{Header: "Handler", Value: func(r stackRow) string { return handlerSize(r) }},
			{Header: "Files", Wide: true, Value: func(r stackRow) string { return strconv.Itoa(r.Files) }},
			{Header: "Path", Wide: true, Value: func(r stackRow) string { return r.Handler }},
			{Header: "Secrets", Value: func(r stackRow) string { return strings.Join(r.Secrets, ", ") }},
		},
	}.List(env.Term.Out, rows)
}

func (e *Env) stackRow(fn *stack.Function) (stackRow, error) {
	r := stackRow{
		Name: fn.Name, Lang: fn.Language, Image: fn.Image, Namespace: fn.Namespace, Handler: fn.Handler,
		SkipBuild: fn.SkipBuild, Secrets: append([]string{}, fn.Secrets...),
	}
	if fn.Handler == "" {
		return r, nil
	}
	err := filepath.WalkDir(e.abs(fn.Handler), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		r.Files++
		r.Bytes += info.Size()
		return nil
	})
	if errors.Is(err, os.ErrNotExist) {
		r.Files, r.Bytes = 0, -1
		return r, nil
	}
	return r, err
}

// handlerSize shows the size of a handler.
func handlerSize(r stackRow) string {
	const kib = 1 << 10
	switch {
	case r.Handler == "":
		return ""
	case r.Bytes < 0:
		return "missing"
	case r.Bytes < kib:
		return fmt.Sprintf("%d B", r.Bytes)
	case r.Bytes < kib*kib:
		return fmt.Sprintf("%.1f KiB", float64(r.Bytes)/kib)
	}
	return fmt.Sprintf("%.1f MiB", float64(r.Bytes)/(kib*kib))
}

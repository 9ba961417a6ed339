//go:build unix

package templates

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestDevicesAreRefused(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	write(t, p.Dir, map[string]string{"template/aa/template.yml": "", "template/aa/function/h.txt": ""})
	if err := syscall.Mkfifo(filepath.Join(p.Dir, "template/aa/function/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	tpl, err := p.Open("aa")
	if err != nil {
		t.Fatal(err)
	}
	const want = "is neither file, folder nor link"
	if _, err := tpl.Digest(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("digest: %v", err)
	}
	starter, err := tpl.Starter()
	if err != nil {
		t.Fatal(err)
	}
	root := project(t, nil)
	if err := CopyTo(root, "fn", starter); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("copy: %v", err)
	}
	if _, err := root.Stat("fn"); err == nil {
		t.Error("a part was copied")
	}
}

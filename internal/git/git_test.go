package git

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// repository makes a repository with one commit of the files given.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	g := Git{Dir: dir, Config: []string{"user.name=t", "user.email=t@example.com", "commit.gpgSign=false"}}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "x"}} {
		if _, err := g.Output(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOutputSaysStatusAndKeepsMessages(t *testing.T) {
	t.Parallel()
	_, err := Git{Dir: t.TempDir()}.Output(t.Context(), "rev-parse", "--verify", "HEAD")
	var ge *Error
	if !errors.As(err, &ge) || ge.Status != 128 || ge.Stderr == "" {
		t.Fatalf("got %v, want an *Error of status 128 with git's words", err)
	}
}

func TestNoRepositoryAboveTheFolder(t *testing.T) {
	t.Parallel()
	dir := repository(t, map[string]string{"sub/f": "x"})
	if _, err := (Git{Dir: filepath.Join(dir, "sub")}).Output(t.Context(), "rev-parse", "--verify", "HEAD"); err == nil {
		t.Fatal("a sub-folder passed for the repository that it is in")
	}
}

func TestTransportsAreRefusedUnlessAllowed(t *testing.T) {
	t.Parallel()
	dir := repository(t, map[string]string{"f": "x"})
	g := Git{Dir: t.TempDir()}
	if _, err := g.Output(t.Context(), "ls-remote", "--", dir); err == nil {
		t.Fatal("ls-remote worked without a protocol")
	}
	g.Protocols = []string{"file"}
	if _, err := g.Output(t.Context(), "ls-remote", "--", dir); err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(t.TempDir(), "ran")
	g.Protocols = []string{"file", "https"}
	if _, err := g.Output(t.Context(), "ls-remote", "--", "ext::touch "+mark); err == nil {
		t.Fatal("ext:: was allowed")
	}
	if _, err := os.Stat(mark); err == nil {
		t.Fatal("ext:: ran its command")
	}
}

func TestObjectsInOrder(t *testing.T) {
	t.Parallel()
	dir := repository(t, map[string]string{"a": "one\n", "b": strings.Repeat("x", 1<<20), "c": ""})
	g := Git{Dir: dir}
	var ids []string
	for _, f := range []string{"c", "b", "a"} {
		out, err := g.Output(t.Context(), "rev-parse", "HEAD:"+f)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, strings.TrimSpace(string(out)))
	}
	var sizes []int64
	err := g.Objects(t.Context(), ids, func(i int, size int64, r io.Reader) error {
		sizes = append(sizes, size)
		return nil // unread content must not confuse the next one
	})
	if err != nil || len(sizes) != 3 || sizes[0] != 0 || sizes[1] != 1<<20 || sizes[2] != 4 {
		t.Fatalf("sizes %v, error %v", sizes, err)
	}
	missing := strings.Repeat("0", 39) + "1"
	if err := g.Objects(t.Context(), []string{missing}, nil); !errors.Is(err, ErrNoObject) {
		t.Fatalf("got %v, want ErrNoObject", err)
	}
	stop := errors.New("enough")
	if err := g.Objects(t.Context(), ids, func(int, int64, io.Reader) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("got %v, want the callback's error", err)
	}
}

func TestCancelEndsGitWithItsCause(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("interrupted")
	started := make(chan struct{})
	go func() {
		<-started
		cancel(cause)
	}()
	begin := time.Now()
	// An alias stands for any git that takes long; its sleep is a grandchild.
	err := Git{Dir: t.TempDir(), Config: []string{"alias.wait=!echo x; sleep 60"}}.Run(ctx, nil, closer{started}, "wait")
	if !errors.Is(err, cause) {
		t.Fatalf("got %v, want the cause", err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Fatalf("took %v", took)
	}
}

// closer closes its channel with the first byte written.
type closer struct{ ch chan struct{} }

func (c closer) Write(p []byte) (int, error) {
	close(c.ch)
	return len(p), nil
}

//go:build unix

package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// texts collects the lines that a query yields.
func texts(t *testing.T, p *processes, q LogQuery) []string {
	t.Helper()
	var all []string
	for line, err := range p.Logs(t.Context(), Ref{"fn", "ns"}, q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, line.Instance+":"+line.Text)
	}
	return all
}

// writeLog writes lines of a replica, a second apart.
func writeLog(t *testing.T, p *processes, id string, start time.Time, lines ...string) {
	t.Helper()
	dir := p.logDir(Ref{"fn", "ns"})
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := openLog(dir, id)
	if err != nil {
		t.Fatal(err)
	}
	w.now = func() time.Time { start = start.Add(time.Second); return start }
	w.copy(strings.NewReader(strings.Join(lines, "\n")))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLogsMergeReplicasByTime(t *testing.T) {
	t.Parallel()
	p := &processes{c: ProcessConfig{Dir: t.TempDir()}}
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	writeLog(t, p, "a", start, "1", "3", "5")
	writeLog(t, p, "b", start.Add(time.Second/2), "2", "4")
	all := []string{"a:1", "b:2", "a:3", "b:4", "a:5"}
	for _, test := range []struct {
		name string
		q    LogQuery
		want []string
	}{
		{"all", LogQuery{Tail: -1}, all},
		{"last two", LogQuery{Tail: 2}, all[3:]},
		{"none", LogQuery{Tail: 0}, nil},
		{"more than there are", LogQuery{Tail: 9}, all},
		{"since", LogQuery{Tail: -1, Since: start.Add(2 * time.Second)}, all[2:]},
		{"one replica", LogQuery{Tail: -1, Instance: "b"}, []string{"b:2", "b:4"}},
	} {
		if got := texts(t, p, test.q); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestLogIsBoundedAndKeepsTheNewestLines(t *testing.T) {
	t.Parallel()
	p := &processes{c: ProcessConfig{Dir: t.TempDir()}}
	dir := p.logDir(Ref{"fn", "ns"})
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := openLog(dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	const lines = 200_000
	r, pw := io.Pipe()
	go func() {
		for i := range lines {
			_, _ = fmt.Fprintf(pw, "%s %d\n", strings.Repeat("x", 100), i)
		}
		_ = pw.Close()
	}()
	w.copy(r)
	_ = w.Close()
	var size int64
	files, _ := filepath.Glob(dir + "/*")
	for _, f := range files {
		fi, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += fi.Size()
	}
	if size > 2*maxLogFile+maxLine {
		t.Errorf("the log has %d bytes", size)
	}
	got := texts(t, p, LogQuery{Tail: 1})
	if len(got) != 1 || !strings.HasSuffix(got[0], fmt.Sprintf(" %d", lines-1)) {
		t.Errorf("the last line is %.20q", got)
	}
}

func TestLogTakesLinesOfAnyLengthApart(t *testing.T) {
	t.Parallel()
	p := &processes{c: ProcessConfig{Dir: t.TempDir()}}
	long := strings.Repeat("y", maxLine+10)
	writeLog(t, p, "a", time.Now(), "one\r", "", long, "no end")
	want := []string{"a:one", "a:", "a:" + long[:maxLine], "a:" + long[maxLine:], "a:no end"}
	if got := texts(t, p, LogQuery{Tail: -1}); !slices.Equal(got, want) {
		t.Errorf("%d lines: %.40q", len(got), got)
	}
}

func TestLogGoesOnAfterAFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer func() { _ = full.Close() }()
	dir := t.TempDir()
	w, err := openLog(dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	disk := w.f
	w.f = full
	w.copy(strings.NewReader("lost\n"))
	w.f = disk
	w.copy(strings.NewReader("kept\n"))
	_ = w.Close()
	b, err := os.ReadFile(filepath.Join(dir, "a.log"))
	if err != nil || strings.Contains(string(b), " lost\n") || !strings.Contains(string(b), "output was lost") || !strings.HasSuffix(string(b), " kept\n") {
		t.Errorf("%v: %s", err, b)
	}
}

func TestLogsFollowRotationAndNewReplicas(t *testing.T) {
	t.Parallel()
	p := &processes{c: ProcessConfig{Dir: t.TempDir()}}
	writeLog(t, p, "a", time.Now(), "one")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	lines := make(chan string)
	go func() {
		defer close(lines)
		for line, err := range p.Logs(ctx, Ref{"fn", "ns"}, LogQuery{Tail: -1, Follow: true}) {
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				return
			}
			lines <- line.Instance + ":" + line.Text
		}
	}()
	want := func(text string) {
		t.Helper()
		if got := <-lines; got != text {
			t.Fatalf("got %q, want %q", got, text)
		}
	}
	want("a:one")
	path := filepath.Join(p.logDir(Ref{"fn", "ns"}), "a.log")
	writeLog(t, p, "a", time.Now(), "two")
	want("a:two")
	if err := os.Rename(path, path+rotatedSuffix); err != nil {
		t.Fatal(err)
	}
	writeLog(t, p, "a", time.Now(), "three")
	want("a:three")
	writeLog(t, p, "b", time.Now(), "four")
	want("b:four")
	cancel()
	for range lines { // until the reader has ended
	}
}

package builder

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// killDelay is how long a tool may take to end after an interrupt.
const killDelay = 3 * time.Second

// ToolError says that a tool chain of this machine is missing or too old.
type ToolError struct {
	Tool string // "go", "python3"
	Need string // oldest version that will do; empty: any
	Have string // version found; empty: none was found
	Lang string // the template that needs it
}

// Error says what is needed and what there is.
func (e *ToolError) Error() string {
	need := e.Tool
	if e.Need != "" {
		need += " " + e.Need + " or newer"
	}
	if e.Have == "" {
		return fmt.Sprintf("template %s needs %s, which is not on PATH", e.Lang, need)
	}
	return fmt.Sprintf("template %s needs %s, but the one on PATH is %s", e.Lang, need, e.Have)
}

// FailedError says that a tool was not content. What it said was told line by
// line as [EventLog].
type FailedError struct {
	Tool  string // "go build"
	First string // its first complaint; may be empty
	Err   error
}

// Error gives the tool and its first complaint.
func (e *FailedError) Error() string {
	if e.First == "" {
		return fmt.Sprintf("%s: %v", e.Tool, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Tool, e.First)
}

// Unwrap returns how the process ended.
func (e *FailedError) Unwrap() error { return e.Err }

// lookPath finds a program through the PATH among env.
func lookPath(env []string, name string) (string, error) {
	path := variable(env, "PATH")
	suffixes := []string{""}
	if runtime.GOOS == "windows" {
		suffixes = []string{".exe"}
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // as package os/exec: programs of the current folder are not ours to run
		}
		for _, suffix := range suffixes {
			file := filepath.Join(dir, name+suffix)
			info, err := os.Stat(file)
			if err == nil && info.Mode().IsRegular() && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0) {
				return file, nil
			}
		}
	}
	return "", fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// variable returns the value of a variable; the last one counts.
func variable(env []string, key string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(env[i], "="); ok && k == key {
			return v
		}
	}
	return ""
}

// output runs a short command and returns what it prints.
func output(ctx context.Context, env []string, dir, path string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = env, dir, killDelay
	ownGroup(cmd)
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	return strings.TrimSpace(string(out)), err
}

// Tools remembers what programs say about themselves, for as long as one
// command runs. The zero value is ready to use, by several goroutines.
type Tools struct {
	mu    sync.Mutex
	known map[string]string
}

// of returns what the program prints when it is run with args.
func (v *Tools) of(ctx context.Context, env []string, path string, args ...string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if out, ok := v.known[path]; ok {
		return out, nil
	}
	out, err := output(ctx, env, os.TempDir(), path, args...)
	if err != nil {
		return "", err
	}
	if v.known == nil {
		v.known = map[string]string{}
	}
	v.known[path] = out
	return out, nil
}

// tool is one run of a tool chain's program.
type tool struct {
	name  string // for messages: "go build"
	path  string
	args  []string
	dir   string
	env   []string
	stdin io.Reader
	// line is told each line of output and returns it as the user should see
	// it.
	line func(string) string
	// complaint says whether a line, as the user sees it, is an error message.
	complaint func(string) bool
}

// run runs the tool; every line that it prints is told to on.
func (t tool) run(ctx context.Context, on func(line string)) error {
	cmd := exec.CommandContext(ctx, t.path, t.args...)
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.WaitDelay = t.env, t.dir, t.stdin, killDelay
	ownGroup(cmd)
	lines := &lineWriter{}
	failed := &FailedError{Tool: t.name}
	last := ""
	lines.on = func(line string) {
		if t.line != nil {
			line = t.line(line)
		}
		if failed.First == "" && t.complaint != nil && t.complaint(line) {
			failed.First = line
		}
		if strings.TrimSpace(line) != "" {
			last = line
		}
		on(line)
	}
	cmd.Stdout, cmd.Stderr = lines, lines // the same writer: one goroutine writes
	err := cmd.Run()
	lines.flush()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		return nil
	}
	if failed.First == "" {
		failed.First = last
	}
	failed.Err = err
	return failed
}

// lineWriter cuts output into lines.
type lineWriter struct {
	on   func(string)
	rest []byte
}

// maxLine is where a line without an end is cut, in bytes.
const maxLine = 64 << 10

// Write tells the lines that are complete.
func (w *lineWriter) Write(b []byte) (int, error) {
	n := len(b)
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		w.on(strings.TrimSuffix(string(append(w.rest, b[:i]...)), "\r"))
		w.rest, b = nil, b[i+1:]
	}
	if w.rest = append(w.rest, b...); len(w.rest) > maxLine {
		w.flush()
	}
	return n, nil
}

func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.on(string(w.rest))
		w.rest = nil
	}
}

// olderThan compares versions such as "1.22.3" and "3.8", number by number;
// what follows the numbers does not count.
func olderThan(have, need string) bool {
	a, b := numbers(have), numbers(need)
	for i := range b {
		if i >= len(a) || a[i] != b[i] {
			return i >= len(a) && b[i] > 0 || i < len(a) && a[i] < b[i]
		}
	}
	return false
}

func numbers(version string) []int {
	var list []int
	for part := range strings.SplitSeq(version, ".") {
		digits := part
		if i := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
			digits = part[:i]
		}
		n, err := strconv.Atoi(digits)
		if err != nil {
			break
		}
		list = append(list, n)
	}
	return list
}

// firstLine reads the value that follows key at the beginning of a line.
func firstLine(content []byte, key string) string {
	in := bufio.NewScanner(bytes.NewReader(content))
	for in.Scan() {
		line, _, _ := strings.Cut(in.Text(), "//")
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == key {
			return strings.Trim(fields[1], `"`+"`")
		}
	}
	return ""
}

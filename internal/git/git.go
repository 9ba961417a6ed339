// Package git runs the git executable with a context and without surprises:
// no prompts, no hooks, no submodules, no background maintenance, the whole
// process group ended with the context. Decisions are made on exit statuses
// and on what plumbing commands print for machines, never on messages.
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// waitDelay is how long a git that was asked to stop may take before its
// pipes are closed and it is killed.
const waitDelay = 3 * time.Second

// maxStderr bounds what is kept of git's messages, in bytes.
const maxStderr = 16 << 10

// ErrMissing says that there is no git executable on PATH.
var ErrMissing = errors.New("git is not installed, or not on PATH")

// Error is a git command that ended with a status other than 0.
type Error struct {
	Args   []string // without the options that every command gets
	Status int      // exit status; -1 if a signal ended it
	Stderr string   // what git said, for people; bounded
}

func (e *Error) Error() string {
	return fmt.Sprintf("git %s: exit status %d", e.command(), e.Status)
}

// command is the sub-command's name: arguments may hold URLs with tokens.
func (e *Error) command() string {
	if len(e.Args) == 0 {
		return ""
	}
	return e.Args[0]
}

// Git is a git executable and the settings of its runs. The zero value finds
// git on PATH, has the current directory and allows no transport. A Git is
// a value to be copied and changed, safe for concurrent use as far as Progress
// is.
type Git struct {
	// Dir is the directory that it runs in, absolute; no repository above it
	// is looked for.
	Dir string
	// Protocols are the transports that git may use, also after redirects:
	// "https", "ssh", "file", … None: it reads only what is on this machine.
	Protocols []string
	// Config are settings (KEY=VALUE) on top of the user's.
	Config []string
	// Progress receives what git says while it runs; nil discards it.
	Progress io.Writer
	// Trace is told the arguments of every run, with passwords taken out of
	// URLs; nil: nobody.
	Trace func(args []string)
}

// Output runs git and returns what it prints on its standard output. It fails
// with an *Error, ErrMissing or the cause of ctx's end.
func (g Git) Output(ctx context.Context, args ...string) ([]byte, error) {
	var out bytes.Buffer
	if err := g.Run(ctx, nil, &out, args...); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Run runs git with the given standard input and output, either of which may
// be nil. It fails as Output does.
func (g Git) Run(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	if g.Trace != nil {
		g.Trace(redactAll(args))
	}
	cmd, stderr := g.command(ctx, args)
	cmd.Stdin, cmd.Stdout = in, out
	if err := cmd.Start(); err != nil {
		return startError(ctx, err)
	}
	return waitError(ctx, cmd.Wait(), args, stderr)
}

// command prepares a run: arguments, environment and process group.
func (g Git) command(ctx context.Context, args []string) (*exec.Cmd, *tail) {
	full := []string{
		"-c", "core.hooksPath=/dev/null",
		"-c", "core.fsmonitor=false",
		"-c", "gc.auto=0",
		"-c", "maintenance.auto=false",
		"-c", "submodule.recurse=false",
		"-c", "fetch.recurseSubmodules=false",
		"-c", "credential.interactive=false",
		"-c", "advice.detachedHead=false",
		"-c", "protocol.ext.allow=never",
	}
	for _, c := range g.Config {
		full = append(full, "-c", c)
	}
	cmd := exec.CommandContext(ctx, "git", append(full, args...)...)
	cmd.Dir = g.Dir
	cmd.Env = g.environment(cmd.Environ())
	cmd.WaitDelay = waitDelay
	ownGroup(cmd)
	stderr := &tail{next: g.Progress}
	cmd.Stderr = stderr
	return cmd, stderr
}

// redactAll takes user names and passwords out of URLs.
func redactAll(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if scheme, rest, ok := strings.Cut(a, "://"); ok {
			if host, path, _ := strings.Cut(rest, "/"); strings.Contains(host, "@") {
				_, host, _ = strings.Cut(host, "@")
				out[i] = scheme + "://" + host + "/" + path
			}
		}
	}
	return out
}

// environment is the user's, without what belongs to a repository that we may
// have been started in (a hook, an alias), and with every way of asking
// questions closed.
func (g Git) environment(user []string) []string {
	local := map[string]bool{
		"GIT_DIR": true, "GIT_WORK_TREE": true, "GIT_INDEX_FILE": true, "GIT_PREFIX": true,
		"GIT_OBJECT_DIRECTORY": true, "GIT_ALTERNATE_OBJECT_DIRECTORIES": true, "GIT_COMMON_DIR": true,
		"GIT_NAMESPACE": true, "GIT_SHALLOW_FILE": true, "GIT_GRAFT_FILE": true, "GIT_REPLACE_REF_BASE": true,
		"GIT_CEILING_DIRECTORIES": true, "GIT_ALLOW_PROTOCOL": true, "GIT_PROTOCOL_FROM_USER": true,
		"GIT_TERMINAL_PROMPT": true, "GIT_ASKPASS": true, "SSH_ASKPASS": true, "SSH_ASKPASS_REQUIRE": true,
		"GIT_EXTERNAL_DIFF": true, "GIT_PAGER": true, "GIT_LITERAL_PATHSPECS": true, "GIT_QUARANTINE_PATH": true,
		"LC_ALL": true, "LANGUAGE": true,
	}
	var env []string
	for _, kv := range user {
		key, _, _ := strings.Cut(kv, "=")
		if !local[key] {
			env = append(env, kv)
		}
	}
	allowed := "none"
	if len(g.Protocols) > 0 {
		allowed = strings.Join(g.Protocols, ":")
	}
	env = append(env,
		"GIT_ALLOW_PROTOCOL="+allowed,
		"GIT_PROTOCOL_FROM_USER=0",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=", // set but empty: neither core.askPass nor SSH_ASKPASS is run
		"SSH_ASKPASS=",
		"SSH_ASKPASS_REQUIRE=never",
		"GCM_INTERACTIVE=never",
		"GIT_NO_REPLACE_OBJECTS=1", // the bytes that the id names
		"GIT_NO_LAZY_FETCH=1",
		"GIT_OPTIONAL_LOCKS=0",
		"LC_ALL=C",
	)
	if g.Dir != "" {
		env = append(env, "GIT_CEILING_DIRECTORIES="+filepath.Dir(g.Dir))
	}
	return env
}

func startError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return ErrMissing
	}
	return fmt.Errorf("start git: %w", err)
}

func waitError(ctx context.Context, err error, args []string, stderr *tail) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &Error{Args: args, Status: exit.ExitCode(), Stderr: stderr.String()}
	}
	return fmt.Errorf("run git: %w", err)
}

// tail keeps the last maxStderr bytes written to it and passes all of them on.
type tail struct {
	next io.Writer
	buf  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	if t.next != nil {
		// Progress is a courtesy: a closed terminal must not end a fetch.
		_, _ = t.next.Write(p)
	}
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - maxStderr; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.buf)) }

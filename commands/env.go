package commands

import (
	"context"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/faas-cli/faas-cli/internal/loopback"
	"github.com/faas-cli/faas-cli/internal/term"
)

// Env is everything that a command may touch outside its own process.
type Env struct {
	Term   *term.Terminal
	Lookup func(key string) (string, bool) // environment variables
	Dir    string                          // working directory, absolute
	Now    func() time.Time

	Version string // of this program, "" in a development build
	Commit  string // that it was built from, "" where unknown

	// Environ lists the variables as KEY=VALUE, for child processes.
	Environ func() []string

	// Transport is the one HTTP transport; its connections are reused by every
	// client of the process.
	Transport *http.Transport

	// Executable is the path of the running program, for those that start it
	// again.
	Executable func() (string, error)

	// CompletionTime bounds what a press of the Tab key waits for a gateway or a
	// store.
	CompletionTime time.Duration
}

// maxIdlePerHost keeps as many connections open as commands run requests at
// once, so that the next request finds one.
const maxIdlePerHost = 16

// SystemEnv is the environment of the process itself, and the only place that
// reads it.
func SystemEnv() *Env {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = maxIdlePerHost
	// The limits are those of the default transport, whose dialer cannot be changed.
	dialer := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second, Control: loopback.Control}
	transport.DialContext = dialer.DialContext
	dir, err := os.Getwd()
	if err != nil {
		dir = "." // a removed folder: whatever is opened below it says so
	}
	return &Env{
		Term:       term.System(os.Stdin, os.Stdout, os.Stderr, os.LookupEnv),
		Lookup:     os.LookupEnv,
		Dir:        dir,
		Now:        time.Now,
		Environ:    os.Environ,
		Transport:  transport,
		Executable: os.Executable,

		CompletionTime: completionTime,
	}
}

// get is Lookup with the empty string for what is not set.
func (e *Env) get(key string) string {
	v, _ := e.Lookup(key)
	return v
}

// ci says whether a CI system runs the command: CI is exactly "true" or "1".
func (e *Env) ci() bool {
	v := e.get("CI")
	return v == "true" || v == "1"
}

// debug says whether requests and child processes are to be logged.
func (e *Env) debug() bool { return e.get("FAAS_DEBUG") == "1" }

// home returns the user's home folder, or "" where there is none.
func (e *Env) home() string {
	if h := e.get("HOME"); h != "" {
		return h
	}
	return e.get("USERPROFILE") // Windows
}

// progressf writes one line of progress, a note or a warning on stderr.
func (e *Env) progressf(format string, args ...any) { e.Term.ErrLine(sprintf(format, args...)) }

// warnf writes a warning on stderr.
func (e *Env) warnf(format string, args ...any) {
	e.Term.ErrLabel(term.Yellow, "warning:", sprintf(format, args...))
}

// resultf writes one line that states what the command did on stdout.
func (e *Env) resultf(format string, args ...any) error {
	return writeLine(e.Term.Out, sprintf(format, args...))
}

// sleep waits for d, or until ctx ends, whose cause it returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

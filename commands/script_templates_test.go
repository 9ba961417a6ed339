package commands

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptServe serves a folder over HTTP for the rest of the script and sets
// $STORE to its URL; $WORK in the files is replaced, and once something was
// asked for there is a file $WORK/asked. A file NAME.404 makes the
// answer to NAME a 404, and so on; "serve -hang" accepts and never answers.
//
//	serve DIR
//	serve -hang
func scriptServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve DIR")
	}
	work, dir := ts.Getenv("WORK"), ts.MkAbs(args[0])
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := os.WriteFile(filepath.Join(work, "asked"), nil, 0o600); err != nil {
			panic(err)
		}
		if args[0] == "-hang" {
			<-r.Context().Done()
			return
		}
		path := filepath.Join(dir, filepath.FromSlash(filepath.Clean("/"+r.URL.Path)))
		for _, status := range []int{404, 500} {
			if data, err := os.ReadFile(path + "." + map[int]string{404: "404", 500: "500"}[status]); err == nil {
				w.WriteHeader(status)
				_, _ = w.Write(data)
				return
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(strings.ReplaceAll(string(data), "$WORK", work)))
	}))
	ts.Defer(server.Close)
	ts.Setenv("STORE", server.URL)
}

// scriptRepo commits everything in a folder to its git repository, which it
// makes if need be, and tags it:
//
//	repo DIR [TAG]
func scriptRepo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: repo DIR [TAG]")
	}
	dir := ts.MkAbs(args[0])
	run := func(args ...string) {
		full := append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgSign=false", "-c", "init.defaultBranch=master"}, args...)
		cmd := exec.Command("git", full...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "GIT_CONFIG_NOSYSTEM=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			ts.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	run("init", "-q")
	run("add", "-A")
	run("commit", "-q", "--allow-empty", "-m", "x")
	for _, tag := range args[1:] {
		run("tag", tag)
	}
}

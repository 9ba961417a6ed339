package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestCredentialsOfTheHostAskedFor(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helpers are shell scripts")
	}
	dir, bin := t.TempDir(), t.TempDir()
	asked := filepath.Join(bin, "asked")
	helper := func(name, body string) {
		t.Helper()
		script := "#!/bin/sh\nread server\necho \"" + name + " $1 $server\" >> " + asked + "\n" + body + "\n"
		if err := os.WriteFile(filepath.Join(bin, "docker-credential-"+name), []byte(script), 0o700); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	helper("store", `case $server in https://index*) echo '{"ServerURL":"x","Username":"hub","Secret":"s3"}';; *) echo "credentials not found in native keychain"; exit 1;; esac`)
	helper("token", `echo '{"Username":"<token>","Secret":"t0k"}'`)
	helper("odd", `echo 'p4ssw0rd is not JSON'`)
	t.Setenv("PATH", bin)
	writeFile(t, filepath.Join(dir, "config.json"), `{
		"auths": {
			"plain.example.com": {"auth": "bWU6cDph"},
			"https://url.example.com/v2/": {"username": "u", "password": "p"},
			"bad.example.com": {"auth": "%%%"}
		},
		"credsStore": "store",
		"credHelpers": {"token.example.com": "token", "odd.example.com": "odd", "gone.example.com": "gone", "path.example.com": "../x"}
	}`)
	c := &Credentials{Dir: dir}
	tests := []struct {
		host string
		want Auth
		err  string
	}{
		{host: "plain.example.com", want: Auth{Username: "me", Password: "p:a"}},
		{host: "url.example.com", want: Auth{Username: "u", Password: "p"}},
		{host: "docker.io", want: Auth{Username: "hub", Password: "s3"}},
		{host: "registry-1.docker.io", want: Auth{Username: "hub", Password: "s3"}},
		{host: "token.example.com", want: Auth{IdentityToken: "t0k"}},
		{host: "nobody.example.com"},
		{host: "bad.example.com", err: "bad.example.com"},
		{host: "odd.example.com", err: "not JSON"},
		{host: "gone.example.com", err: "docker-credential-gone"},
		{host: "path.example.com", err: "plain name"},
	}
	for _, tt := range tests {
		got, err := c.For(t.Context(), tt.host)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %v", tt.host, err)
		}
		if err != nil && strings.Contains(err.Error(), "p4ssw0rd") {
			t.Errorf("%s: the error holds what the helper said", tt.host)
		}
		if got != tt.want {
			t.Errorf("%s: %+v", tt.host, got)
		}
	}
	if err := os.Remove(asked); err != nil {
		t.Fatal(err)
	}
	if _, err := c.For(t.Context(), "token.example.com"); err != nil {
		t.Fatal(err)
	}
	if log, _ := os.ReadFile(asked); string(log) != "token get token.example.com\n" {
		t.Errorf("helpers that were asked: %q", log)
	}
}

func TestCredentialsWithoutConfiguration(t *testing.T) {
	t.Parallel()
	for _, c := range []*Credentials{nil, {}, {Dir: filepath.Join(t.TempDir(), "none")}} {
		if got, err := c.For(t.Context(), "docker.io"); got != (Auth{}) || err != nil {
			t.Errorf("%v: %+v, %v", c, got, err)
		}
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "config.json"), "{")
	if _, err := (&Credentials{Dir: dir}).For(t.Context(), "docker.io"); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", filepath.Join(dir, "config.json"))) {
		t.Errorf("a broken file: %v", err)
	}
}

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/local"
)

// The names of checks that others look at.
const (
	nameEngine = "engine"
	nameGo     = "go"
	namePython = "python3"
)

// checkTimeout bounds one check that asks somebody.
const checkTimeout = 5 * time.Second

// checkEngine looks for a container engine and its BuildKit.
func (d *doctor) checkEngine(ctx context.Context) []check {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	const advice = "needed for templates without a local block; start Docker, or set DOCKER_HOST"
	bad := checkWarn
	if d.env.get("DOCKER_HOST") != "" {
		bad = checkFail // somebody counts on it
	}
	client, err := engine.Connect(ctx, engine.Options{Lookup: d.env.Lookup, UserAgent: d.env.userAgent()})
	if err != nil {
		return []check{verdict(nameEngine, err, "", bad, advice)}
	}
	defer func() { _ = client.Close() }() // it was only asked
	info, err := client.Info(ctx)
	if err != nil {
		return []check{verdict(nameEngine, err, "", bad, advice)}
	}
	all := []check{{Name: nameEngine, Status: checkOK, Detail: fmt.Sprintf("%s, %s/%s", info.Version, info.OS, info.Arch)}}
	if info.Podman {
		return append(all, check{Name: "buildkit", Status: checkWarn, Detail: "Podman has no BuildKit session",
			Advice: "builds send the whole context each time"})
	}
	return append(all, check{Name: "buildkit", Status: checkOK, Detail: "part of the engine, API " + info.APIVersion})
}

// checkTools looks for the tool chains of builds without an engine.
func (d *doctor) checkTools(ctx context.Context) []check {
	return []check{
		checkTool(ctx, nameGo, "version", "1.22", "needed to build Go functions without a container engine; install it from https://go.dev/dl"),
		checkTool(ctx, namePython, "--version", "3.8", "needed to build and run Python functions without a container engine"),
	}
}

// checkGit looks for git.
func (d *doctor) checkGit(ctx context.Context) []check {
	return []check{checkTool(ctx, "git", "--version", "", "needed to pull templates and for --tag sha, branch and describe")}
}

// checkTool asks a program for its version.
func checkTool(ctx context.Context, name, flag, oldest, advice string) check {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	path, err := exec.LookPath(name)
	if err != nil {
		return check{Name: name, Status: checkWarn, Detail: "not on PATH", Advice: advice}
	}
	out, err := exec.CommandContext(ctx, path, flag).CombinedOutput()
	if err != nil {
		return check{Name: name, Status: checkWarn, Detail: fmt.Sprintf("%s %s: %v", path, flag, err), Advice: advice}
	}
	version := firstVersion(string(out))
	if oldest != "" && olderVersion(version, oldest) {
		return check{Name: name, Status: checkWarn, Detail: fmt.Sprintf("%s at %s is older than %s", version, path, oldest), Advice: advice}
	}
	return check{Name: name, Status: checkOK, Detail: version + " at " + path}
}

// firstVersion finds a version such as 1.26.8 in what a program says.
func firstVersion(text string) string {
	for word := range strings.FieldsSeq(text) {
		word = strings.TrimPrefix(word, "go")
		if len(word) > 0 && word[0] >= '0' && word[0] <= '9' && strings.Contains(word, ".") {
			return word
		}
	}
	return "an unknown version"
}

// olderVersion compares the first two numbers of versions. What is no version
// is not older.
func olderVersion(version, than string) bool {
	a, b := strings.Split(version, "."), strings.Split(than, ".")
	for i := range min(2, len(a), len(b)) {
		x, errX := strconv.Atoi(a[i])
		y, errY := strconv.Atoi(b[i])
		if errX != nil || errY != nil || x != y {
			return errX == nil && errY == nil && x < y
		}
	}
	return false
}

// checkGateway asks the gateway: is it there, does it take the credentials,
// and does its clock agree with this machine's.
func (d *doctor) checkGateway(ctx context.Context) []check {
	ctx, cancel := context.WithTimeout(gateway.WithoutRetry(ctx), checkTimeout)
	defer cancel()
	file, err := d.env.peekStack(ctx, d.o.stack)
	if err != nil {
		return []check{verdict("gateway", fmt.Errorf("read the stack file: %w", err), "", checkFail, "fix it, or name another with -f")}
	}
	client, t, err := d.env.gatewayClient(d.o.gateway, gatewayOf(file))
	if err != nil {
		return []check{verdict("gateway", err, "", checkFail, "")}
	}
	where := fmt.Sprintf("%s, from %s", client.BaseURL(), t.origin)
	served, skew, err := d.askHealth(ctx, t)
	if err != nil {
		bad, advice := checkFail, "is it up, and is its address right?"
		if t.origin == originDefault {
			bad, advice = checkWarn, "faas-cli local start runs one on this machine"
		}
		if failed := (*url.Error)(nil); errors.As(err, &failed) {
			err = failed.Err // without the method and the address of the question
		}
		return []check{verdict("gateway", fmt.Errorf("%s: %w", where, err), "", bad, advice)}
	}
	all := []check{{Name: "gateway", Status: checkOK, Detail: where}}
	if !served {
		all[0] = check{Name: "gateway", Status: checkFail, Detail: where + ": it does not say that it is healthy", Advice: "look at its logs"}
	}
	_, err = gateway.List[struct{}](ctx, client, "")
	if errors.Is(err, gateway.ErrUnauthorized) {
		all = append(all, check{Name: "credentials", Status: checkFail, Detail: "the gateway refuses them, or there are none", Advice: "faas-cli login --gateway " + client.BaseURL()})
	} else {
		all = append(all, verdict("credentials", err, "accepted", checkFail, ""))
	}
	return append(all, clockCheck(skew))
}

const (
	// clockTolerance is less than what tells a wrong clock from a slow answer.
	clockTolerance = 10 * time.Second
	// clockLimit is where tokens begin to be refused as expired, or as not
	// valid yet.
	clockLimit = time.Minute
)

func clockCheck(skew time.Duration) check {
	switch d := skew.Abs().Round(time.Second); {
	case d > clockLimit:
		return check{Name: "clock", Status: checkFail, Detail: fmt.Sprintf("%s away from the gateway's", d), Advice: "set it; tokens and log times are wrong otherwise"}
	case d > clockTolerance:
		return check{Name: "clock", Status: checkWarn, Detail: fmt.Sprintf("%s away from the gateway's", d), Advice: "synchronise it"}
	}
	return check{Name: "clock", Status: checkOK, Detail: "agrees with the gateway's"}
}

// askHealth returns whether the gateway says that it is well, and how far its
// clock is from ours.
func (d *doctor) askHealth(ctx context.Context, t target) (healthy bool, skew time.Duration, err error) {
	settings := t.tls()
	settings.NoVerify = settings.NoVerify || d.o.gateway.tlsNoVerify
	transport, err := withTLS(d.env.Transport, settings)
	if err != nil {
		return false, 0, err
	}
	u := t.url.JoinPath("healthz")
	u.User = nil
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return false, 0, err
	}
	before := d.env.Now()
	resp, err := d.env.clientOver(transport).Do(req)
	if err != nil {
		return false, 0, err
	}
	_ = resp.Body.Close() // the status is the answer
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		middle := before.Add(d.env.Now().Sub(before) / 2)
		skew = at.Sub(middle.Truncate(time.Second))
	}
	return resp.StatusCode/100 == 2, skew, nil
}

// checkRegistries looks at the registry accounts of Docker's configuration and
// at the helpers that it names.
func (d *doctor) checkRegistries(context.Context) []check {
	dir := d.env.get("DOCKER_CONFIG")
	if dir == "" {
		dir = filepath.Join(d.env.home(), ".docker")
	}
	path := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return []check{{Name: "registries", Status: checkOK, Detail: "no accounts; docker login saves one, if images are to be pushed"}}
	}
	var config struct {
		Auths       map[string]json.RawMessage `json:"auths"`
		CredsStore  string                     `json:"credsStore"`
		CredHelpers map[string]string          `json:"credHelpers"`
	}
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil {
		return []check{verdict("registries", fmt.Errorf("read %s: %w", path, err), "", checkFail, "fix the file, or log in again with docker login")}
	}
	helpers := slices.Collect(maps.Values(config.CredHelpers))
	if config.CredsStore != "" {
		helpers = append(helpers, config.CredsStore)
	}
	slices.Sort(helpers)
	var missing []string
	for _, h := range slices.Compact(helpers) {
		if _, err := exec.LookPath("docker-credential-" + h); err != nil {
			missing = append(missing, "docker-credential-"+h)
		}
	}
	if len(missing) > 0 {
		return []check{{Name: "registries", Status: checkFail, Detail: fmt.Sprintf("%s names %s, not on PATH", path, strings.Join(missing, ", ")),
			Advice: "install it, or take it out of the file"}}
	}
	hosts := slices.Sorted(maps.Keys(config.Auths))
	for host := range config.CredHelpers {
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	if len(hosts) == 0 {
		return []check{{Name: "registries", Status: checkOK, Detail: "no accounts"}}
	}
	return []check{{Name: "registries", Status: checkOK, Detail: strings.Join(hosts, ", ")}}
}

// checkModes looks at the files that hold secrets: nobody else may read them.
func (d *doctor) checkModes(context.Context) []check {
	if runtime.GOOS == "windows" {
		return nil // access lists are another matter
	}
	private := []string{filepath.Join(d.env.Dir, "credentials", "config.json"), filepath.Join(d.env.Dir, secretsFolder)}
	if store, err := d.env.credentialStore(); err == nil {
		private = append(private, store.Path(), store.ContextsPath())
		if _, err := store.Entries(); err != nil && !errors.Is(err, fs.ErrNotExist) && fileExists(store.Path()) {
			return []check{verdict("config", err, "", checkFail, "fix the file, or remove it and log in again")}
		}
	}
	if dir, err := local.StateDir(d.env.Lookup); err == nil {
		private = append(private, filepath.Join(dir, "password"), filepath.Join(dir, "key"))
	}
	var wide []check
	for _, path := range private {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 == 0 {
			continue
		}
		wide = append(wide, check{
			Name: "config", Status: checkFail, Detail: fmt.Sprintf("others can read %s (mode %04o)", path, info.Mode().Perm()), Advice: "chmod go= " + path,
			fixText: "make " + path + " private", fix: func() error { return os.Chmod(path, info.Mode().Perm()&0o700) },
		})
	}
	if len(wide) == 0 {
		return []check{{Name: "config", Status: checkOK, Detail: "private files are private"}}
	}
	return wide
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkLocal looks at the local platform.
func (d *doctor) checkLocal(ctx context.Context) []check {
	const name = "local platform"
	dir, err := local.StateDir(d.env.Lookup)
	if err != nil {
		return []check{verdict(name, err, "", checkWarn, "")}
	}
	instance, err := local.Discover(dir)
	stale := filepath.Join(dir, "instance.json")
	switch {
	case errors.Is(err, local.ErrNotRunning) && fileExists(stale):
		return []check{{
			Name: name, Status: checkWarn, Detail: "not running, but it left state behind when it was killed", Advice: "faas-cli local start brings the functions back",
			fixText: "remove " + stale, fix: func() error { return os.Remove(stale) },
		}}
	case errors.Is(err, local.ErrNotRunning):
		return []check{{Name: name, Status: checkOK, Detail: "not running"}}
	case err != nil:
		return []check{verdict(name, err, "", checkFail, "")}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err = instance.Prove(ctx, d.env.proofClient())
	return []check{verdict(name, err, "running at "+instance.URL(), checkFail, "faas-cli local stop, then start it again")}
}

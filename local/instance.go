package local

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/faas-cli/faas-cli/internal/filelock"
)

// Names in the state folder.
const (
	instanceFile = "instance.json" // who runs, and where; present from start to stop
	lockFile     = "lock"          // locked as long as the platform runs
	keyFile      = "key"           // secret that an instance proves itself with
	passwordFile = "password"      // of the control plane
	imagesDir    = "images"        // the image store
	logFile      = "gateway.log"   // output of a platform in the background
)

// User is the name that goes with the password of an instance.
const User = "admin"

// runtimesPath answers [Instance.Runtimes].
const runtimesPath = "/_/runtimes"

// provePath answers the challenge of [Instance.Prove].
const provePath = "/_/instance"

const (
	// proveTimeout is generous: whoever asks knows that the platform runs, and has nobody else to ask.
	proveTimeout = 10 * time.Second
	// statesTimeout allows for an engine that does not answer.
	statesTimeout = 15 * time.Second
	nonceSize     = 32      // bytes, as the key of the HMAC
	maxProof      = 1 << 10 // bytes; a proof is some 200
)

// Errors of discovery.
var (
	// ErrNotRunning says that no platform of this user runs.
	ErrNotRunning = errors.New("the local platform is not running")
	// ErrNotProven says that something else answers at the address of the platform.
	ErrNotProven = errors.New("not the local platform that the state folder describes")
	// ErrSilent says that the platform runs, and does not answer in time.
	ErrSilent = errors.New("the local platform runs, but does not answer")
)

// DataDir returns the folder of the user's data: $XDG_DATA_HOME/faas-cli, or the usual place of the system.
// lookup reads the environment. The folder may not exist.
func DataDir(lookup func(key string) (string, bool)) (string, error) {
	if dir, ok := lookup("XDG_DATA_HOME"); ok && filepath.IsAbs(dir) { // a relative one is to be ignored: XDG base directory specification
		return filepath.Join(dir, "faas-cli"), nil
	}
	if runtime.GOOS == "windows" {
		if dir, ok := lookup("LocalAppData"); ok && dir != "" {
			return filepath.Join(dir, "faas-cli"), nil
		}
	}
	home, ok := lookup("HOME")
	if runtime.GOOS == "windows" && !ok {
		home, ok = lookup("USERPROFILE")
	}
	if !ok || home == "" {
		return "", errors.New("find the data folder: neither XDG_DATA_HOME nor HOME is set")
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "faas-cli"), nil
	}
	return filepath.Join(home, ".local", "share", "faas-cli"), nil
}

// StateDir returns the folder of the local platform's state. It may not exist.
func StateDir(lookup func(key string) (string, bool)) (string, error) {
	dir, err := DataDir(lookup)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "local"), nil
}

// ImagesDir returns the folder of the image store of the platform whose state is in dir. Builds write there, whether
// or not the platform runs.
func ImagesDir(dir string) string { return filepath.Join(dir, imagesDir) }

// Instance describes a running platform, as its state folder does.
type Instance struct {
	ID       string    `json:"id"`                 // made at the first start, kept until the state is purged
	Address  string    `json:"address"`            // host:port of the gateway
	Registry string    `json:"registry,omitempty"` // host:port of the registry, if it was asked for
	Runtime  string    `json:"runtime"`            // auto, docker or process, as it was started
	PID      int       `json:"pid"`
	Version  string    `json:"version"` // of the binary that runs
	Started  time.Time `json:"started"`

	dir string
}

// Discover returns the platform whose state is in dir, or [ErrNotRunning]. It reads one small file and asks no
// network: a command can afford it always. That the address still belongs to the platform, only [Instance.Prove] knows.
func Discover(dir string) (Instance, error) {
	b, err := os.ReadFile(filepath.Join(dir, instanceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Instance{}, ErrNotRunning
	}
	if err != nil {
		return Instance{}, fmt.Errorf("find the local platform: %w", err)
	}
	in := Instance{dir: dir}
	if err := json.Unmarshal(b, &in); err != nil {
		return Instance{}, fmt.Errorf("find the local platform: read %q: %w", filepath.Join(dir, instanceFile), err)
	}
	if !filelock.Held(filepath.Join(dir, lockFile)) { // the file of one that was killed
		return Instance{}, ErrNotRunning
	}
	return in, nil
}

// URL returns the gateway's address as commands take it.
func (in Instance) URL() string { return "http://" + in.Address }

// Is reports whether u is the address of this instance, however it is spelled. It says nothing about who answers there.
func (in Instance) Is(u *url.URL) bool {
	if u == nil || u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
		return false
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	for _, h := range loopbackNames() {
		if strings.EqualFold(u.Hostname(), h) && strings.HasSuffix(in.Address, ":"+port) {
			return true
		}
	}
	return false
}

// Prove makes sure that what answers at the address holds the secret of the state folder, so that credentials may be
// sent to it. It fails with an error that wraps [ErrNotProven] when something else answers, and [ErrSilent] when nothing
// does before ctx ends.
func (in Instance) Prove(ctx context.Context, hc *http.Client) error {
	key, err := os.ReadFile(filepath.Join(in.dir, keyFile))
	if err != nil {
		return fmt.Errorf("prove the local platform: %w", err)
	}
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // never fails: package documentation
	limited, cancel := context.WithTimeout(ctx, proveTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodGet, in.URL()+provePath+"?nonce="+hex.EncodeToString(nonce), nil)
	if err != nil {
		return fmt.Errorf("prove the local platform: %w", err)
	}
	status, body, err := ask(hc, req)
	switch {
	case os.IsTimeout(err) && ctx.Err() == nil:
		return fmt.Errorf("%s: %w", in.URL(), ErrSilent)
	case err != nil:
		return fmt.Errorf("prove the local platform: %w", err)
	}
	mac, err := hex.DecodeString(strings.TrimSpace(string(body)))
	if status != http.StatusOK || err != nil || !hmac.Equal(mac, proof(key, in.ID, in.Address, nonce)) {
		return fmt.Errorf("%s: %w", in.URL(), ErrNotProven)
	}
	return nil
}

// ask returns the status and the body of an answer that is no longer than maxProof.
func ask(hc *http.Client, req *http.Request) (status int, body []byte, err error) {
	res, err := hc.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxProof))
	return res.StatusCode, body, err
}

// maxStates bounds the answer about runtimes, in bytes.
const maxStates = 1 << 20

// Runtimes asks whether functions can run. A platform of another version may not know: then it returns none. Prove comes
// before.
func (in Instance) Runtimes(ctx context.Context, hc *http.Client) ([]RuntimeState, error) {
	user, password, err := in.Credentials()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, statesTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.URL()+runtimesPath, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the local platform: %w", err)
	}
	req.SetBasicAuth(user, password)
	res, err := hc.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the local platform: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	var all []RuntimeState
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the local platform: it answered %s", res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxStates)).Decode(&all); err != nil {
		return nil, fmt.Errorf("ask the local platform: %w", err)
	}
	return all, nil
}

// Credentials returns what the control plane of this instance wants. They are for the instance that proved itself.
func (in Instance) Credentials() (user, password string, err error) {
	password, err = Password(in.dir)
	return User, password, err
}

// ImagesDir returns the folder of the instance's image store.
func (in Instance) ImagesDir() string { return ImagesDir(in.dir) }

// Password returns the password of the platform whose state is in dir.
func Password(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, passwordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the password: %w: it was never started", ErrNotRunning)
	}
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// proof is the answer to a challenge. The address is part of it, so that a program on another port cannot pass the
// challenge on to the platform.
func proof(key []byte, id, address string, nonce []byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range []string{"faas-cli local instance 1", id, address} {
		_, _ = io.WriteString(h, part)
		_, _ = h.Write([]byte{0}) // no part can run into the next
	}
	_, _ = h.Write(nonce)
	return h.Sum(nil)
}

// loopbackNames are the host names that the gateway answers to.
func loopbackNames() []string { return []string{"127.0.0.1", "localhost"} }

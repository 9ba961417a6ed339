// Package processtest lets tests run functions as processes without building any: the test binary is the function, and
// its own supervisor.
package processtest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// Arguments that make the test binary something else.
const (
	supervise = "processtest-supervise"
	serve     = "processtest-function"
)

// Main is the TestMain of packages that use this one.
func Main(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case supervise:
			if err := runtime.Supervise(context.Background(), Supervisor(), os.Args[2:], os.Stdin, os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case serve:
			Function()
		}
	}
	os.Exit(m.Run())
}

// Supervisor is the command line of the supervisor.
func Supervisor() []string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return []string{self, supervise}
}

// Image is an image of the function. The binary is not in it but named by its absolute path: copying it for every test
// would be most of their time.
func Image(t testing.TB, env ...string) v1.Image {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	img, err := ImageOf([]string{self, serve}, env...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// ImageOf is an image that runs command, with a file of its own and these variables.
func ImageOf(command []string, env ...string) (v1.Image, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct{ name, text string }{{"app/greeting.txt", "from the image"}, {"app/sub/x", strings.Join(env, ",")}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.text))}); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, f.text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	return mutate.Config(img, v1.Config{
		Entrypoint: command, Env: append([]string{"PATH=/nowhere", "GREETING=/app/greeting.txt"}, env...), WorkingDir: "/app",
	})
}

// Function is an HTTP server that does what its caller says:
//
//	/empty            nothing
//	/env              its environment, as JSON
//	/file?path=       a file's content
//	/exit?code=       ends
//	/spawn            starts a process in a session of its own and says its number
//	/eat?mib=         takes memory
//	/log?text=&n=     writes lines
//	/sse              three server-sent events, each after the first once /next was called
//	/sleep?ms=        answers later
//	/big?mib=         a large answer
//	otherwise         method, path, query, body and X- headers, as JSON
//
// Its environment: crash=1 ends it at once, deaf=1 keeps it from ending on SIGTERM, linger says for how long it
// goes on after that, echo=1 makes it answer with the
// body of the request, version is part of the answers.
func Function() {
	if os.Getenv("crash") == "1" {
		fmt.Println("about to crash")
		os.Exit(3)
	}
	srv := &http.Server{Addr: "127.0.0.1:" + os.Getenv("port"), Handler: http.HandlerFunc(answer), ReadHeaderTimeout: time.Minute}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		linger, _ := time.ParseDuration(os.Getenv("linger"))
		time.Sleep(linger)
		if os.Getenv("deaf") != "1" {
			_ = srv.Shutdown(context.Background())
			os.Exit(0)
		}
	}()
	fmt.Println("listening")
	if err := srv.ListenAndServe(); err != http.ErrServerClosed { //nolint:errorlint // not wrapped
		fmt.Println(err)
		os.Exit(1)
	}
	select {}
}

var (
	hoard [][]byte                 //nolint:gochecknoglobals // memory that is to stay
	next  = make(chan struct{}, 2) //nolint:gochecknoglobals // from a call of /next to that of /sse
)

// answer does what the path asks for; one without a meaning gets an account of
// the request.
func answer(w http.ResponseWriter, r *http.Request) {
	handle, ok := map[string]http.HandlerFunc{
		"/_/health": nothing,
		"/empty":    nothing,
		"/big":      big,
		"/burn":     burn,
		"/count":    count,
		"/eat":      eat,
		"/env":      env,
		"/exit":     exit,
		"/file":     file,
		"/log":      logLines,
		"/next":     func(http.ResponseWriter, *http.Request) { next <- struct{}{} },
		"/sleep":    func(_ http.ResponseWriter, r *http.Request) { time.Sleep(milliseconds(r)) },
		"/spawn":    spawn,
		"/sse":      events,
	}[r.URL.Path]
	switch {
	case ok:
		handle(w, r)
	case os.Getenv("echo") == "1":
		echo(w, r)
	default:
		account(w, r)
	}
}

// number is a parameter of the query, 0 where it is none.
func number(r *http.Request, key string) int {
	n, _ := strconv.Atoi(r.URL.Query().Get(key))
	return n
}

func milliseconds(r *http.Request) time.Duration {
	return time.Duration(number(r, "ms")) * time.Millisecond
}

func nothing(http.ResponseWriter, *http.Request) {}

// big answers with so many MiB.
func big(w http.ResponseWriter, r *http.Request) {
	b := make([]byte, 1<<20)
	for range number(r, "mib") {
		_, _ = w.Write(b)
	}
}

// burn keeps a CPU busy for so many milliseconds.
func burn(_ http.ResponseWriter, r *http.Request) {
	for end := time.Now().Add(milliseconds(r)); time.Now().Before(end); {
	}
}

// count answers with the number of bytes in the body.
func count(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprint(w, n)
}

// eat takes so many MiB of memory and keeps them.
func eat(_ http.ResponseWriter, r *http.Request) {
	b := make([]byte, number(r, "mib")<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	hoard = append(hoard, b)
}

func env(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(os.Environ()) }

func exit(_ http.ResponseWriter, r *http.Request) { os.Exit(number(r, "code")) }

func file(w http.ResponseWriter, r *http.Request) {
	b, err := os.ReadFile(r.URL.Query().Get("path"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	_, _ = w.Write(b)
}

func logLines(_ http.ResponseWriter, r *http.Request) {
	for i := range max(1, number(r, "n")) {
		fmt.Println(r.URL.Query().Get("text"), i)
	}
}

// spawn starts a process that leaves the function's session, and answers with
// its id.
func spawn(w http.ResponseWriter, _ *http.Request) {
	cmd := exec.Command("sleep", "1000")
	ownSession(cmd)
	if err := cmd.Start(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprint(w, cmd.Process.Pid)
}

// events sends three, each but the first after a call of /next.
func events(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range 3 {
		if i > 0 {
			<-next
		}
		_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
		_ = http.NewResponseController(w).Flush()
	}
}

// echo sends back what it reads, as it comes.
func echo(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	_ = rc.EnableFullDuplex()
	_ = rc.Flush()
	b := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(b)
		_, _ = w.Write(b[:n])
		_ = rc.Flush()
		if err != nil {
			return
		}
	}
}

// account answers with what the function got, and with a status if one is
// asked for.
func account(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	headers := map[string]string{}
	for key := range r.Header {
		if strings.HasPrefix(key, "X-") {
			headers[key] = r.Header.Get(key)
		}
	}
	wd, _ := os.Getwd()
	if code := number(r, "status"); code != 0 {
		w.WriteHeader(code)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "path": r.URL.EscapedPath(), "query": r.URL.RawQuery, "body": string(body), "headers": headers,
		"version": os.Getenv("version"), "dir": filepath.Base(wd), "pid": os.Getpid(),
	})
}

// Program function is what the tests run in containers: an HTTP server on port 8080 whose faults
// are chosen by the environment variable MODE. In builds, which have no shell, it copies a file
// ("copy FROM TO"), connects to the SSH agent ("agent") or takes its time ("wait").
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		if err := inBuild(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	start := time.Now()
	mode := os.Getenv("MODE")
	fmt.Println("started", os.Getenv("VERSION"), mode)
	switch mode {
	case "exit":
		fmt.Fprintln(os.Stderr, "giving up at once")
		os.Exit(3)
	case "flood":
		go func() {
			line := strings.Repeat("x", 1023) + "\n"
			for {
				_, _ = io.WriteString(os.Stdout, line)
			}
		}()
	}

	mux := http.NewServeMux()
	mux.HandleFunc("/_/health", func(w http.ResponseWriter, _ *http.Request) {
		delay, _ := time.ParseDuration(os.Getenv("HEALTHY_AFTER"))
		if mode == "sick" || time.Since(start) < delay {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, strings.Join(os.Environ(), "\n"))
	})
	mux.HandleFunc("/read/", func(w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile("/" + strings.TrimPrefix(r.URL.Path, "/read/"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		_, _ = w.Write(data)
	})
	mux.HandleFunc("/write/", func(w http.ResponseWriter, r *http.Request) {
		if err := os.WriteFile("/"+strings.TrimPrefix(r.URL.Path, "/write/"), []byte("x"), 0o600); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	})
	mux.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, r.Method, os.ExpandEnv(r.URL.Query().Get("url")), nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, line := range r.URL.Query()["header"] {
			key, value, _ := strings.Cut(line, ":")
			if req.Header.Set(key, value); key == "Host" {
				req.Host = value
			}
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})
	mux.HandleFunc("/eat", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("bytes"))
		buf := make([]byte, n)
		for i := range buf {
			buf[i] = 1
		}
		fmt.Fprintln(w, len(buf))
	})
	mux.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(4) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("request", r.URL.Path)
		fmt.Fprintf(w, "hello from %s, uid %d", os.Getenv("VERSION"), os.Getuid())
	})

	srv := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: time.Minute}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-stop
		if mode == "stubborn" {
			fmt.Println("ignoring SIGTERM")
			select {}
		}
		fmt.Println("stopping")
		_ = srv.Shutdown(context.Background())
	}()
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-done
}

func inBuild(args []string) error {
	switch args[0] {
	case "copy":
		data, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		fmt.Println("copied", len(data), "bytes")
		return os.WriteFile(args[2], data, 0o644)
	case "agent":
		conn, err := net.Dial("unix", os.Getenv("SSH_AUTH_SOCK"))
		if err != nil {
			return err
		}
		return conn.Close()
	case "wait":
		fmt.Println("waiting")
		time.Sleep(time.Minute)
	}
	return nil
}

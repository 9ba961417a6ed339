// Package functionstore reads a store of ready-made functions, which is one
// JSON file ([schema.FunctionStore]) behind a URL.
package functionstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/faas-cli/faas-cli/schema"
)

// DefaultURL is the store of the OpenFaaS project.
const DefaultURL = "https://raw.githubusercontent.com/openfaas/store/master/functions.json"

// maxSize bounds a store, in bytes; the project's own has some 50 KiB.
const maxSize = 16 << 20

// ErrNotFound says that the store has no function of that name or title for
// the platform.
var ErrNotFound = errors.New("not found in the store")

// Fetch reads a store. The location is an http or https URL, less any final
// slashes, or the path of a file. Only an answer of 200 counts.
func Fetch(ctx context.Context, hc *http.Client, location string) ([]schema.FunctionStoreEntry, error) {
	data, err := read(ctx, hc, location)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch store %s: %w", redact(location), err)
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("fetch store %s: longer than %d bytes", redact(location), maxSize)
	}
	var store *schema.FunctionStore
	err = json.Unmarshal(data, &store)
	if err == nil && store == nil {
		err = errors.New("null")
	}
	if err != nil {
		return nil, fmt.Errorf("read store %s: not a function store: %w", redact(location), err)
	}
	return store.Functions, nil
}

// read returns at most one byte more than a store may have. Its errors do not
// name the location.
func read(ctx context.Context, hc *http.Client, location string) ([]byte, error) {
	body, err := open(ctx, hc, location)
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(body, maxSize+1))
}

func open(ctx context.Context, hc *http.Client, location string) (io.ReadCloser, error) {
	lower := strings.ToLower(location)
	if !strings.HasPrefix(lower, "http://") && !strings.HasPrefix(lower, "https://") {
		return os.Open(location)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(location, "/"), nil)
	if err != nil {
		return nil, err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close() // the status is the error
		return nil, fmt.Errorf("status %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return resp.Body, nil
}

// redact takes a password out of a location.
func redact(location string) string {
	if u, err := url.Parse(location); err == nil && u.User != nil {
		return u.Redacted()
	}
	return location
}

// DefaultPlatform returns the store's word for a system as Go spells it.
// Clusters are mostly Linux on x86_64, so that stands for the others.
func DefaultPlatform(goos, goarch string) string {
	if goos == "linux" {
		switch goarch {
		case "arm64":
			return "arm64"
		case "arm":
			return "armhf"
		}
	}
	return "x86_64"
}

// Image returns the entry's image for a platform, in whatever case that is
// written, or "" if it has none.
func Image(e schema.FunctionStoreEntry, platform string) string {
	if image := e.Images[platform]; image != "" {
		return image
	}
	for _, p := range platformsOf(e) {
		if strings.EqualFold(p, platform) {
			return e.Images[p]
		}
	}
	return ""
}

// ForPlatform returns the entries that have an image for the platform, never
// nil.
func ForPlatform(entries []schema.FunctionStoreEntry, platform string) []schema.FunctionStoreEntry {
	found := []schema.FunctionStoreEntry{}
	for _, e := range entries {
		if Image(e, platform) != "" {
			found = append(found, e)
		}
	}
	return found
}

// Find returns the entry with that name or else title among those that have an
// image for the platform, or [ErrNotFound].
func Find(entries []schema.FunctionStoreEntry, name, platform string) (schema.FunctionStoreEntry, error) {
	here := ForPlatform(entries, platform)
	for _, same := range []func(schema.FunctionStoreEntry) bool{
		func(e schema.FunctionStoreEntry) bool { return e.Name == name },
		func(e schema.FunctionStoreEntry) bool { return strings.EqualFold(e.Title, name) },
	} {
		if i := slices.IndexFunc(here, same); i >= 0 {
			return here[i], nil
		}
	}
	return schema.FunctionStoreEntry{}, fmt.Errorf("function %q for platform %q: %w", name, platform, ErrNotFound)
}

// Platforms returns all platforms that some entry has an image for, sorted.
func Platforms(entries []schema.FunctionStoreEntry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, platformsOf(e)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// platformsOf returns the platforms with an image, sorted.
func platformsOf(e schema.FunctionStoreEntry) []string {
	var platforms []string
	for p, image := range e.Images {
		if image != "" {
			platforms = append(platforms, p)
		}
	}
	slices.Sort(platforms)
	return platforms
}

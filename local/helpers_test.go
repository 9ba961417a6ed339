//go:build unix

package local

import (
	"bytes"
	"errors"
	"strings"
	"sync"
)

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func asError[T error](err error, target *T) bool { return errors.As(err, target) }

func countOf(s, part string) int { return strings.Count(s, part) }

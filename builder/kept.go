package builder

import (
	"bytes"
	"sync"
)

// keptBytes is how much of a template's files is kept in memory.
const keptBytes = 4 << 20

// keptFiles are small files of a layer that goes into many contexts, so that
// each is read once. It is safe for concurrent use, and nil keeps nothing.
type keptFiles struct {
	mu    sync.Mutex
	files map[*node]keptFile
	room  int // bytes that may still be kept
}

type keptFile struct {
	look    look
	content []byte
}

// get returns the content of n, which must not be changed, if it is kept.
func (k *keptFiles) get(n *node) (look, []byte, bool) {
	if k == nil {
		return look{}, nil, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	f, ok := k.files[n]
	return f.look, f.content, ok
}

// put keeps a copy of the content of n while there is room.
func (k *keptFiles) put(n *node, l look, content []byte) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.files[n]; ok || len(content) > k.room {
		return
	}
	if k.files == nil {
		k.files = map[*node]keptFile{}
	}
	k.files[n] = keptFile{l, bytes.Clone(content)}
	k.room -= len(content)
}

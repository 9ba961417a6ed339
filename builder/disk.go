package builder

import (
	"os"
	"strings"
	"sync"
)

// disk is a folder of this machine that a layer is read from. It is opened when
// it is needed and can be closed while it is not: a project may have more
// functions than a process may have open files. It is safe for concurrent use.
type disk struct {
	find func() (*os.Root, error) // opens it

	mu   sync.Mutex
	root *os.Root // nil: it is closed
	// top is the same folder: it opens files by their folder, without walking down
	// the path each time.
	top folder
}

// openDisk opens the folder that find finds. Unless it is closed, it is with the
// garbage.
func openDisk(find func() (*os.Root, error)) (*disk, error) {
	d := &disk{find: find}
	_, _, err := d.open()
	return d, err
}

// open returns the folder, for as long as nobody closes it.
func (d *disk) open() (*os.Root, folder, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root != nil {
		return d.root, d.top, nil
	}
	root, err := d.find()
	if err != nil {
		return nil, folder{}, err
	}
	top, err := openFolder(root)
	if err != nil {
		_ = root.Close() // only names were looked up
		return nil, folder{}, err
	}
	d.root, d.top = root, top
	return root, top, nil
}

// close closes the folder until it is needed again.
func (d *disk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root == nil {
		return
	}
	d.top.close()
	_ = d.root.Close() // only read
	d.root = nil
}

// sub opens the folder at the path dir below it.
func (d *disk) sub(dir string) (folder, error) {
	_, top, err := d.open()
	if err != nil {
		return folder{}, err
	}
	name, rest, deeper := strings.Cut(dir, "/")
	at, err := top.open(name)
	for err == nil && deeper {
		name, rest, deeper = strings.Cut(rest, "/")
		var next folder
		next, err = at.open(name)
		at.close()
		at = next
	}
	return at, err
}

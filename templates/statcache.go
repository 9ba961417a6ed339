package templates

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// cacheStats holds what the files of installed templates looked like when
// their digest was computed, so that an unchanged folder need not be read
// again.
const cacheStats = "stats"

// statRecord is a digest and the look of the files that it belongs to.
type statRecord struct {
	Look   string `json:"look"`
	Digest string `json:"digest"`
}

// How long after its last change a folder counts as settled: a later change
// then has another time stamp. Some file systems count in seconds.
const (
	settleFine   = 100 * time.Millisecond
	settleCoarse = 3 * time.Second
)

// statTable is what is known of the installed templates of one project, by
// their names. It is read once and written once, and safe for concurrent use.
type statTable struct {
	mu      sync.Mutex
	loaded  bool
	changed bool
	records map[string]statRecord
}

// look sums up names, sizes, modes, times and inodes of all files of a tree
// but meta.json, and says whether the tree has settled by now.
func look(fsys fs.FS, now time.Time) (sum string, settled bool, err error) {
	h := sha256.New()
	var newest time.Time
	fine := false
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == MetaFile {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		id, changed := identity(info)
		fmt.Fprintf(h, "%s\x00%d %o %d %d %s\n", name, info.Size(), info.Mode(), info.ModTime().UnixNano(), changed.UnixNano(), id)
		for _, t := range []time.Time{info.ModTime(), changed} {
			if t.After(newest) {
				newest = t
			}
			fine = fine || t.Nanosecond() != 0
		}
		return nil
	})
	wait := settleCoarse
	if fine {
		wait = settleFine
	}
	return hex.EncodeToString(h.Sum(nil)), newest.Before(now.Add(-wait)), err
}

// installedDigest is the content digest of an installed folder, out of the
// cache where its files look as they did; empty if there is no folder.
func (p *Project) installedDigest(name string) (string, error) {
	root, err := p.Folder.openDir(name)
	if err != nil || root == nil {
		return "", err
	}
	defer root.Close()
	fsys := root.FS()
	now, settled, err := look(fsys, p.Now())
	if err != nil {
		return "", fmt.Errorf("read template %q: %w", name, err)
	}
	if known := p.statRecord(name); known.Look == now && known.Digest != "" {
		return known.Digest, nil
	}
	d, err := Digest(fsys)
	if err != nil {
		return "", fmt.Errorf("read template %q: %w", name, err)
	}
	if settled {
		p.stats.mu.Lock()
		p.stats.records[name] = statRecord{Look: now, Digest: d}
		p.stats.changed = true
		p.stats.mu.Unlock()
	}
	return d, nil
}

// statRecord returns what is known of an installed template.
func (p *Project) statRecord(name string) statRecord {
	p.stats.mu.Lock()
	defer p.stats.mu.Unlock()
	if !p.stats.loaded {
		p.stats.loaded = true
		if !p.Fetcher.Cache.load(cacheStats, hashKey(p.Dir), &p.stats.records) || p.stats.records == nil {
			p.stats.records = map[string]statRecord{}
		}
	}
	return p.stats.records[name]
}

// saveStats keeps what was found out. It only saves time, so a failure is none.
func (p *Project) saveStats() {
	p.stats.mu.Lock()
	defer p.stats.mu.Unlock()
	if p.stats.changed {
		_ = p.Fetcher.Cache.save(cacheStats, hashKey(p.Dir), p.stats.records)
		p.stats.changed = false
	}
}

// openDir opens the folder of an installed template; nil if there is none.
func (f *Folder) openDir(name string) (*os.Root, error) {
	root, err := f.project.OpenRoot(templatePath(name))
	if isNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read template %q: %w", name, err)
	}
	return root, nil
}

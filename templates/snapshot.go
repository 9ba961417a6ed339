package templates

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/faas-cli/faas-cli/internal/git"
)

// snapshot reads templates out of the object store of a repository.
func (f *Fetcher) snapshot(ctx context.Context, g git.Git, src Source, commit string, names []string) (revision, error) {
	rev := revision{Repository: Redact(src.Repo), Path: src.Path, Commit: commit, Templates: map[string]string{}}
	prefix := templatePrefix(src)
	out, err := g.Output(ctx, "ls-tree", "-r", "-z", "--full-tree", commit, "--", prefix)
	if err != nil {
		if ge := (*git.Error)(nil); errors.As(err, &ge) && isCommitID(commit) {
			if _, lost := g.Output(ctx, "cat-file", "-e", commit+"^{commit}"); lost != nil {
				return rev, &RefError{Source: src.Place(), Ref: shaPrefix + commit}
			}
		}
		return rev, &FetchError{Source: src.String(), Op: "read", Err: err}
	}
	trees, err := f.parseTree(out, prefix)
	if err != nil {
		return rev, err
	}
	for name := range trees {
		rev.Templates[name] = ""
	}
	if err := lacking(rev, src, names); err != nil {
		return rev, err
	}
	if names == nil {
		names = rev.names()
	}
	if err := checkNames(names); err != nil {
		return rev, err
	}
	for _, name := range names {
		if err := checkTree(name, trees[name]); err != nil {
			return rev, err
		}
	}
	digests, err := f.store(ctx, g, src, names, trees)
	if err != nil {
		return rev, err
	}
	for name, digest := range digests {
		rev.Templates[name] = digest
	}
	return rev, nil
}

// checkNames refuses templates that share a folder where case is ignored.
func checkNames(names []string) error {
	seen := map[string]string{}
	for _, n := range names {
		if other, has := seen[strings.ToLower(n)]; has {
			return &UnsafeError{n, n, fmt.Sprintf("and %q are the same on systems that ignore case", other)}
		}
		seen[strings.ToLower(n)] = n
	}
	return nil
}

// parseTree sorts the "MODE SP TYPE SP ID TAB PATH NUL" records of ls-tree by
// template. Files directly in template/ belong to none.
func (f *Fetcher) parseTree(out []byte, prefix string) (map[string][]treeFile, error) {
	trees := map[string][]treeFile{}
	left := map[string]bool{}
	for record := range bytes.SplitSeq(bytes.TrimSuffix(out, []byte{0}), []byte{0}) {
		info, full, ok := strings.Cut(string(record), "\t")
		fields := strings.Fields(info)
		if !ok || len(fields) != 3 {
			if len(record) == 0 {
				continue
			}
			return nil, fmt.Errorf("unexpected answer of git ls-tree: %q", record)
		}
		name, inner, deeper := strings.Cut(strings.TrimPrefix(full, prefix), "/")
		if !deeper {
			continue
		}
		if err := checkBase(name); err != nil {
			if !left[name] {
				left[name] = true
				f.warn("folder %q in %s is left out: %s", name, prefix, err)
			}
			continue
		}
		if fields[0] == modeSubmodule {
			f.warn("template %q: submodule %q is left out: submodules are not fetched", name, inner)
			continue
		}
		trees[name] = append(trees[name], treeFile{path: inner, mode: fields[0], id: fields[2]})
	}
	return trees, nil
}

// store writes the files of the templates named into the cache and returns
// their digests. All are read by one git.
func (f *Fetcher) store(ctx context.Context, g git.Git, src Source, names []string, trees map[string][]treeFile) (map[string]string, error) {
	tmp, err := f.Cache.temp(ctx, "tree-*")
	if err != nil {
		return nil, err
	}
	defer tmp.remove()
	root, err := os.OpenRoot(tmp.path)
	if err != nil {
		return nil, err
	}
	defer root.Close()

	type job struct {
		template string
		file     treeFile
	}
	var ids []string
	var jobs []job
	writers := map[string]*treeWriter{}
	for _, name := range names {
		if writers[name], err = newTreeWriter(root, name); err != nil {
			return nil, err
		}
		defer writers[name].close()
		for _, file := range trees[name] {
			ids = append(ids, file.id)
			jobs = append(jobs, job{name, file})
		}
	}
	err = g.Objects(ctx, ids, func(i int, size int64, content io.Reader) error {
		return writers[jobs[i].template].add(jobs[i].file, size, content)
	})
	if err != nil {
		if unsafe := (*UnsafeError)(nil); errors.As(err, &unsafe) {
			return nil, err
		}
		return nil, &FetchError{Source: src.String(), Op: "read", Err: err}
	}
	digests := map[string]string{}
	for _, name := range names {
		w := writers[name]
		if err := w.finish(); err != nil {
			return nil, err
		}
		digest := digestOf(w.sums)
		if !f.Cache.hasTree(digest) {
			if err := f.Cache.adopt(filepath.Join(tmp.path, name), digest); err != nil {
				return nil, err
			}
		}
		digests[name] = digest
	}
	return digests, nil
}

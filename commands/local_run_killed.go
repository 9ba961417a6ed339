package commands

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/faas-cli/faas-cli/internal/filelock"
	"github.com/faas-cli/faas-cli/internal/runtime"
)

// lockSuffix makes the name of the file that a local-run locks, beside its
// folder, for as long as it lives.
const lockSuffix = ".lock"

// removeKilled removes what runs left that were killed: their containers go on
// and hold their ports. It fails where the container engine would have to be
// asked and cannot; the next run tries again.
func (r *localRunner) removeKilled(ctx context.Context) error {
	parent := filepath.Dir(r.dir)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		id := strings.TrimSuffix(e.Name(), lockSuffix)
		lock, err := filelock.Try(filepath.Join(parent, id+lockSuffix))
		if err != nil { // it lives
			continue
		}
		err = r.removeRun(ctx, id)
		errs = append(errs, err)
		lock.Release()
		if err == nil {
			_ = os.Remove(filepath.Join(parent, id+lockSuffix)) // another run was faster
		}
	}
	return errors.Join(errs...)
}

// removeRun removes everything that the run of that name left.
func (r *localRunner) removeRun(ctx context.Context, id string) error {
	dir := filepath.Join(filepath.Dir(r.dir), id)
	if _, err := os.Stat(filepath.Join(dir, dockerFolder)); err == nil {
		client, err := r.engine(ctx)
		if err != nil {
			return err
		}
		if err := runtime.NewDocker(ctx, runtime.DockerOptions{Engine: client, Instance: id, Dir: filepath.Join(dir, dockerFolder)}).Purge(ctx); err != nil {
			return err
		}
	}
	processes := runtime.NewProcess(runtime.ProcessConfig{Dir: filepath.Join(dir, processFolder), Log: slog.New(slog.DiscardHandler)})
	return errors.Join(processes.Purge(ctx), os.RemoveAll(dir))
}

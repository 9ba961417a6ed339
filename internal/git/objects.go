package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ErrNoObject says that a repository lacks an object that was asked for.
var ErrNoObject = errors.New("object missing from the repository")

// Objects calls each with the content of the objects named, in the order of
// ids, out of the repository in g.Dir: the very bytes, no filter applied. each
// need not read everything; its error ends the run and is returned. It fails
// with ErrNoObject where one is missing, else as Run does.
func (g Git) Objects(ctx context.Context, ids []string, each func(i int, size int64, content io.Reader) error) error {
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pr, pw := io.Pipe()
	ran := make(chan error, 1)
	go func() { // waited for below
		err := g.Run(ctx, strings.NewReader(strings.Join(ids, "\n")+"\n"), pw, "cat-file", "--batch", "--buffer")
		pw.CloseWithError(err)
		ran <- err
	}()
	err := readObjects(bufio.NewReaderSize(pr, 256<<10), ids, each)
	if err != nil {
		cancel(err)
		pr.CloseWithError(err)
		<-ran
		return err
	}
	return <-ran
}

// readObjects parses what cat-file --batch prints: "ID SP TYPE SP SIZE LF
// CONTENT LF", or "ID SP missing LF".
func readObjects(r *bufio.Reader, ids []string, each func(int, int64, io.Reader) error) error {
	for i, id := range ids {
		header, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read object %s: %w", id, unexpectedEOF(err))
		}
		fields := strings.Fields(header)
		if len(fields) != 3 {
			return fmt.Errorf("read object %s: %w", id, ErrNoObject)
		}
		size, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return fmt.Errorf("read object %s: unexpected header %q", id, header)
		}
		content := io.LimitReader(r, size)
		if err := each(i, size, content); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			return fmt.Errorf("read object %s: %w", id, unexpectedEOF(err))
		}
		if c, err := r.ReadByte(); err != nil || c != '\n' {
			return fmt.Errorf("read object %s: %w", id, io.ErrUnexpectedEOF)
		}
	}
	return nil
}

func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

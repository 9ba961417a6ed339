package builder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// maxSmallFile bounds files that are read whole, such as requirements.txt, in
// bytes.
const maxSmallFile = 4 << 20

// readAll reads a small file.
func readAll(n *node) ([]byte, error) {
	var content bytes.Buffer
	err := readFile(n, func(r io.Reader, info fs.FileInfo) error {
		if info.Size() > maxSmallFile {
			return fmt.Errorf("%q has %d bytes, which is too many", n.where(), info.Size())
		}
		_, err := content.ReadFrom(r)
		return err
	})
	return content.Bytes(), err
}

// errPipeClosed is what a writer gets when nobody reads on.
var errPipeClosed = errors.New("nobody reads")

// pipeReader tells its writer that it reads no more.
type pipeReader struct{ *io.PipeReader }

// Close ends the writer too.
func (p pipeReader) Close() error { return p.CloseWithError(errPipeClosed) }

func newPipe() (pipeReader, *io.PipeWriter) {
	r, w := io.Pipe()
	return pipeReader{r}, w
}

// sendSource writes a source file as pythonCheck reads it.
func sendSource(w io.Writer, n *node) error {
	return readFile(n, func(r io.Reader, info fs.FileInfo) error {
		name := strings.NewReplacer("\t", " ", "\n", " ").Replace(n.where())
		if _, err := fmt.Fprintf(w, "%s\t%d\n", name, info.Size()); err != nil {
			return err
		}
		_, err := io.Copy(w, r)
		return err
	})
}

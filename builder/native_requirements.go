package builder

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// requirements joins what the template and the handler need, with the files
// that theirs include in place.
func requirements(tree *node, handler string) ([]byte, error) {
	var all []byte
	for _, dir := range slices.Compact([]string{".", handler}) {
		name := path.Join(dir, requirementsFile)
		if file := tree.lookup(name); file == nil || file.kind != 0 {
			continue
		}
		content, err := readRequirements(tree, name, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, content...)
	}
	return all, nil
}

// readRequirements reads a requirements file of the tree that the files of via
// include. Packages are installed apart from the tree, so a path in the file,
// but for that of another requirements file, is an [UnsupportedError].
func readRequirements(tree *node, name string, via []string) ([]byte, error) {
	if slices.Contains(via, name) {
		return nil, fmt.Errorf("%s includes itself: %s", name, strings.Join(append(via, name), " → "))
	}
	file := tree.lookup(name)
	if file == nil || file.kind != 0 {
		return nil, fmt.Errorf("%s includes %q, which is no file", via[len(via)-1], name)
	}
	content, err := readAll(file)
	if err != nil {
		return nil, err
	}
	var all []byte
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		option, value := requirement(line)
		switch {
		case !isLocalPath(option, value):
			all = append(all, strings.TrimRight(line, "\r\n")+"\n"...)
		case option == "-r":
			included, err := readRequirements(tree, path.Join(path.Dir(name), value), append(via, name))
			if err != nil {
				return nil, err
			}
			all = append(all, included...)
		default:
			return nil, &UnsupportedError{Engine: NativeName, What: fmt.Sprintf("packages by path (%s:%d: %s)", file.where(), number, value)}
		}
	}
	return all, nil
}

// requirement takes a line of a requirements file apart: the short name of an
// option that names a file, and what it names. Without one the option is empty,
// and the value is what is installed.
func requirement(line string) (option, value string) {
	line, _, _ = strings.Cut(line, " #")
	line, _, _ = strings.Cut(line, ";") // of an environment marker
	value = strings.TrimSpace(line)
	if strings.HasPrefix(value, "#") {
		return "", ""
	}
	for _, o := range [][2]string{{"-r", "--requirement"}, {"-c", "--constraint"}, {"-e", "--editable"}, {"-f", "--find-links"}} {
		for _, name := range o {
			if rest, ok := strings.CutPrefix(value, name); ok && (name == o[0] || strings.Trim(rest, " \t=") != rest) {
				return o[0], strings.Trim(rest, " \t=")
			}
		}
	}
	return "", value
}

// isLocalPath says whether pip would look for the value beside the file that it
// stands in.
func isLocalPath(option, value string) bool {
	switch {
	case value == "", strings.Contains(value, "://"), path.IsAbs(value):
		return false
	case option != "", value == ".", strings.ContainsRune(value, '/'):
		return true
	}
	return slices.ContainsFunc([]string{".whl", ".tar.gz", ".zip"}, func(end string) bool { return strings.HasSuffix(value, end) })
}

package stack

// parseText is Load for a text that is at hand; path is its name in messages.
func parseText(path string, text []byte, o LoadOptions) (*File, error) {
	matches, err := o.Select.matcher()
	if err != nil {
		return nil, err
	}
	s, err := parseSource(path, text, o.Lookup)
	if err != nil {
		return nil, err
	}
	f := &File{Paths: []string{path}, sources: []*source{s}, opts: o}
	if err := f.decode(matches); err != nil {
		return nil, err
	}
	return f, nil
}

package commands

import "errors"

// isUnauthorized says that credentials are missing or were refused.
func isUnauthorized(error) bool { return false }

// hint says what the user can do about err, or nothing. path is the command's
// path.
func hint(err error, path string) string {
	var h hinter
	if errors.As(err, &h) && h.Hint() != "" {
		return h.Hint()
	}
	var usage *UsageError
	if errors.As(err, &usage) {
		return "see " + path + " --help"
	}
	return ""
}

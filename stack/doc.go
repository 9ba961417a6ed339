// Package stack reads, checks and edits stack files (stack.yaml), and maps
// each function to the deployment that deploy, diff and generate share.
//
// A file is parsed once, into yaml nodes that are kept: every value knows its
// line, and edits are spliced into the text at the nodes' positions. Variables
// are replaced inside scalars, after parsing, so that no value can change the
// structure of the file; only the functions that are selected are decoded.
//
// The package prints nothing and reads no environment: what it may use comes
// in through LoadOptions. Nothing in it is safe for concurrent use unless it
// says so; Functions may be read from several goroutines.
package stack

// Package commands defines every command of faas-cli: it turns flags into
// options, resolves which setting wins, calls the libraries and prints. Only
// this package knows cobra, gives advice and maps errors to exit codes.
package commands

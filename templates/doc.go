// Package templates finds the templates that functions are made from: in the
// project's template folder, in git repositories, in template stores and among
// those embedded in the program. It fetches them into a cache, installs them
// whole or not at all, and pins them in a lock file. Everything that it opens
// on behalf of a template goes through an os.Root: no link and no name leads
// out of it.
package templates

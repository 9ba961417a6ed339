// Package archtest holds the architecture: who may import whom, which third
// parties live where, and the habits that keep libraries free of the process
// around them. A new package has to be entered in its tables, which is the
// moment to discuss it.
package archtest

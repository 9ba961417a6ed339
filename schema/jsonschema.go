package schema

import _ "embed"

//go:generate go test ../stack -run JSONSchemaIsCurrent -update

//go:embed stack.schema.json
var stackJSONSchema string

// StackJSONSchema is the JSON Schema (2020-12) of stack files, generated from
// [Stack] with its comments; a test of package stack keeps it current.
func StackJSONSchema() []byte { return []byte(stackJSONSchema) }

package templates

import "time"

// MetaFile records in an installed template where it came from. It is no part
// of the template's content.
const MetaFile = "meta.json"

// Meta is the content of MetaFile.
//
// Source of the format: meta.json as the original client writes it, one line.
type Meta struct {
	Repository string    `json:"repository"`         // without #ref
	RefName    string    `json:"ref_name,omitempty"` // as asked; for commits with sha-
	SHA        string    `json:"sha"`                // full commit id
	WrittenAt  time.Time `json:"written_at"`
}

package packed

import (
	"io/fs"
	"slices"

	"gossamer/runtime/checkpoint"
)

// Model is an opened packed model.
type Model struct {
	*checkpoint.Checkpoint
	Manifest *Manifest // do not modify it

	source *chunkSource
}

// Open opens the model that a manifest describes, which a function of this package returned; s provides its chunks.
func Open(m *Manifest, s Store) (*Model, error) {
	decoder, err := NewDecoder()
	if err != nil {
		return nil, err
	}
	src := &chunkSource{s, make(map[string]*Chunk, len(m.Chunks)), decoder}
	d := checkpoint.Description{
		Config:   m.config,
		Segments: m.segments(),
		Source:   checkpoint.Source{Open: src.open, Ahead: src.ahead, Missing: src.missing},
		Verified: !slices.ContainsFunc(m.Chunks, func(c Chunk) bool { return c.SHA256 == "" }),
	}
	for i := range m.Chunks {
		c := &m.Chunks[i]
		src.chunks[c.Name()] = c
		d.Files = append(d.Files, c.Name())
	}
	return &Model{checkpoint.New(d), m, src}, nil
}

// ReadManifest reads and checks the manifest in a directory.
func ReadManifest(fsys fs.FS) (*Manifest, error) {
	data, err := checkpoint.ReadSmall(fsys, ManifestName)
	if err != nil {
		return nil, err
	}
	return ParseManifest(data)
}

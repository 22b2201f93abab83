package sample

// Mask is a set of ids. Equal keys mean equal bits, so that a device can keep them by the key. The zero value allows all ids.
type Mask struct {
	Key  uint64
	Bits []uint32 // [(Vocab+31)/32], id i is bit i%32 of word i/32; read only
}

package gptoss

import "testing"

// The sizes of the published models: the parameters of the model card, and total_size of model.safetensors.index.json.
func TestSize(t *testing.T) {
	for _, tt := range []struct {
		layers, experts   int
		parameters, bytes int64
	}{
		{24, 32, 20914757184, 13761264768},
		{36, 128, 116829156672, 65248815744},
	} {
		c := Config{
			Layers: tt.layers, Experts: tt.experts, Hidden: 2880, Intermediate: 2880, Heads: 64, KVHeads: 8, HeadDim: 64, Vocab: 201088,
		}
		if parameters, bytes := c.Size(); parameters != tt.parameters || bytes != tt.bytes {
			t.Errorf("%d layers: %d parameters in %d bytes, want %d in %d", tt.layers, parameters, bytes, tt.parameters, tt.bytes)
		}
	}
}

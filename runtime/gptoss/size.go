package gptoss

// Size counts the parameters of a model, and the bytes of the published checkpoint: 2 a parameter, but for the experts' matrices in MXFP4,
// which has 4 bits a parameter and a byte of scale for 32.
func (c *Config) Size() (parameters, bytes int64) {
	hidden, intermediate, experts, layers := int64(c.Hidden), int64(c.Intermediate), int64(c.Experts), int64(c.Layers)
	q, kv := int64(c.QDim()), int64(c.KVDim())
	attention := (q+2*kv)*(hidden+1) + (q+1)*hidden + int64(c.Heads) // with biases, and a sink for each head
	matrices := experts * 3 * hidden * intermediate                  // gate and up, down
	mlp := experts*(hidden+1) + experts*(2*intermediate+hidden)      // the router, biases
	rest := 2*int64(c.Vocab)*hidden + hidden + layers*(attention+mlp+2*hidden)
	return rest + layers*matrices, 2*rest + layers*matrices/2 + layers*matrices/32
}

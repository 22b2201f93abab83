//go:build !js

package runtime

// defaultRows is the number of replies that get a token from one pass over the weights.
const defaultRows = 8

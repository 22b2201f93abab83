//go:build !js

package engine

// prepares says that backends may not be ready for a step; see Backend.Ready.
const prepares = true

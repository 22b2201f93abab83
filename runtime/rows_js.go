package runtime

// defaultRows is 1: a page serves one user, and each further number of rows has a program of its own to be compiled.
const defaultRows = 1

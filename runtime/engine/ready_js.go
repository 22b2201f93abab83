package engine

// prepares is false: in a browser no backend prepares programs, and the code would be for nothing.
const prepares = false

package runtime

// Version is the release of this source, in the form of semantic versioning. It is the only place where the version is written by
// hand, apart from the npm package's package.json, which a test holds to it.
const Version = "0.1.0"

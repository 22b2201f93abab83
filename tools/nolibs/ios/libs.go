// Package libs is empty, in place of libraries for a platform that nothing here runs on.
package libs

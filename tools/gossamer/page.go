package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
)

// pageFiles has what make page has built: the chat page for models of this program.
//
//go:embed all:page
var pageFiles embed.FS

// openPage returns the page in a directory, or the built-in one: nil if this program was built without it.
func openPage(dir string) (fs.FS, error) {
	if dir != "" {
		page := os.DirFS(dir)
		if _, err := fs.Stat(page, "index.html"); err != nil {
			return nil, fmt.Errorf("--page %s: there is no page: %w", dir, err)
		}
		return page, nil
	}
	page, err := fs.Sub(pageFiles, "page")
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(page, "index.html"); err != nil {
		return nil, nil
	}
	return page, nil
}

package hub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gossamer/runtime/testenv"
)

func TestParseName(t *testing.T) {
	for text, want := range map[string]Name{
		"gpt-oss-20b": {Owner: "openai", Repo: "gpt-oss-20b"}, "GPT-OSS-120B": {Owner: "openai", Repo: "gpt-oss-120b"},
		"gpt-oss": {Owner: "openai", Repo: "gpt-oss-20b"}, "gpt-oss:latest": {Owner: "openai", Repo: "gpt-oss-20b"},
		"gpt-oss:20b": {Owner: "openai", Repo: "gpt-oss-20b"}, "gpt-oss:120b": {Owner: "openai", Repo: "gpt-oss-120b"},
		"openai/gpt-oss-20b": {Owner: "openai", Repo: "gpt-oss-20b"}, "openai/gpt-oss-20b@main": {Owner: "openai", Repo: "gpt-oss-20b"},
		"hf.co/a/b.c:Q8_0": {Owner: "a", Repo: "b.c", Choice: "Q8_0"}, "huggingface.co/a/b/": {Owner: "a", Repo: "b"},
		"a/b@refs/pr/1:x/y.gguf":                                       {Owner: "a", Repo: "b", Revision: "refs/pr/1", Choice: "x/y.gguf"},
		"https://huggingface.co/a/b":                                   {Owner: "a", Repo: "b"},
		"https://hf.co/a/b:MXFP4":                                      {Owner: "a", Repo: "b", Choice: "MXFP4"},
		"https://www.huggingface.co/a/b/tree/v1":                       {Owner: "a", Repo: "b", Revision: "v1"},
		"https://huggingface.co/a/b/resolve/main/f.gguf?download=true": {Owner: "a", Repo: "b", Choice: "f.gguf"},
		"https://huggingface.co/a/b/blob/v1/config.json":               {Owner: "a", Repo: "b", Revision: "v1"},
		"https://example.org/models/20b/":                              {URL: "https://example.org/models/20b/"},
		"http://127.0.0.1:8000/x.GGUF":                                 {URL: "http://127.0.0.1:8000/x.GGUF"},
	} {
		got, err := ParseName(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"llama":                        `hub: there is no model "llama": there are gpt-oss-20b and gpt-oss-120b, and OWNER/REPO names any repository of Hugging Face`,
		"":                             `hub: there is no model "": .*`,
		"gpt-oss:7b":                   `hub: there is no model "gpt-oss:7b": .*`,
		"a/b/c":                        `hub: "a/b/c" is no repository of Hugging Face: want OWNER/REPO, such as openai/gpt-oss-20b`,
		"models/gpt-oss/":              `hub: "models/gpt-oss/" is no repository .*`, // but a directory
		"models/x.gguf":                `hub: "models/x.gguf" is no repository .*`,
		"../b":                         `hub: "../b" is no repository .*`,
		"a/..":                         `hub: "a/.." is no repository .*`,
		"a/b--c":                       `hub: "a/b--c" is no repository .*`,
		"a/b:":                         `hub: "a/b:" ends too early: .*`,
		"a/b@x y":                      `hub: "a/b@x y": "x y" is no branch, tag or commit`,
		"x/ok@../..":                   `hub: "x/ok@../..": "../.." is no branch, tag or commit`,
		"ada:pass@host/x":              `hub: "…@host/x" is no repository .*`, // a URL that lacks its scheme
		"a/b:../c":                     `hub: "a/b:../c": "../c" is no file and no quantisation: .*`,
		"ftp://a/b":                    `hub: URL "ftp://a/b": want http:// or https:// and a host`,
		"https://ada:pass@host/x":      `hub: URL "…@host/x": others can see the user and password in it: .*`,
		"https://host/x?y":             `hub: URL "https://host/x\?y": a model's URL has neither \? nor #`,
		"https://huggingface.co/a":     `hub: URL .* this is no page of a model: .*`,
		"https://hf.co/a/b/issues":     `hub: URL .* this is no page of a model: .*`,
		"a/" + strings.Repeat("b", 97): `hub: "a/b+" is no repository .*`,
	} {
		_, err := ParseName(text)
		wantMatch(t, err, want)
	}
}

// FuzzParseName: what is taken for a name is read as itself again, and its folder is below the directory of models.
func FuzzParseName(f *testing.F) {
	seeds := []string{
		"gpt-oss:20b", "openai/gpt-oss-20b", "hf.co/a/b:Q8_0", "a/b@refs/pr/1:x/y.gguf", "https://huggingface.co/a/b/resolve/main/f.gguf?download=true",
		"https://hf.co/a/b:MXFP4@x", "https://example.org/models/20b/", "http://[::1]/x.gguf", "https://huggingface.co/a/b@v/tree/x/../y", "a/b@../../c", "C:\\a",
	}
	testenv.Fuzz(f, seeds, func(t testing.TB, text string) {
		n, err := ParseName(text)
		if err != nil {
			return
		}
		if again, err := ParseName(n.String()); err != nil || again != n {
			t.Errorf("%q became %+v, and that %+v, %v", text, n, again, err)
		}
		root := filepath.FromSlash("/models")
		open := ""
		if n.Choice != "" {
			open = n.Choice
		}
		if dir := filepath.Join(root, folder(n, open)); filepath.Dir(dir) != root || strings.ContainsAny(filepath.Base(dir), `\:*?"<>|`) {
			t.Errorf("%q is kept in %s", text, dir)
		}
	})
}

// FuzzList: of whatever a hub says, what is chosen has distinct files below the model's folder, each with a hash, and is a list that a
// record may have.
func FuzzList(f *testing.F) {
	sha1, sha256 := strings.Repeat("a", 40), strings.Repeat("b", 64)
	file := func(path string) string { return `{"type":"file","oid":"` + sha1 + `","size":5,"path":"` + path + `"}` }
	large := func(path string) string {
		return `{"type":"file","oid":"` + sha1 + `","size":5,"lfs":{"oid":"` + sha256 + `","size":500,"pointerSize":135},"path":"` + path + `"}`
	}
	seeds := []string{
		"[" + file("config.json") + "," + large("model.safetensors") + "," + file("generation_config.json") + "]",
		"[" + file("config.json") + "," + large("model-00000-of-00001.safetensors") + "," + large("model-00001-of-00001.safetensors") + "," + file(indexName) + "]",
		"[" + file("manifest.json") + "," + large("chunks/a.bin") + "," + large("chunks/../a.bin") + "]",
		"[" + large("a-MXFP4.gguf") + "," + large("A/b-00001-of-00002.gguf") + "," + large("A/b-00002-of-00002.gguf") + "]",
		"[" + large("../../a.gguf") + "," + large("gossamer.json.gguf") + "," + large(".gguf") + "]",
		"[" + file("original/config.json") + "," + large("original/model.safetensors") + `,{"type":"directory","path":"original"}]`,
	}
	testenv.Fuzz(f, seeds, func(t testing.TB, text string) {
		files, err := parseList([]byte(text))
		if err != nil {
			return
		}
		for _, choice := range []string{"", "MXFP4", "a-MXFP4.gguf"} {
			need, open, err := choose(files, Name{Owner: "a", Repo: "b", Choice: choice})
			if err != nil {
				continue
			}
			r := &record{Name: "a/b", Files: need, Open: open}
			dir := t.TempDir()
			if err := r.write(dir, recordName); err != nil {
				t.Fatal(err)
			}
			if _, err := readRecord(dir, recordName); err != nil {
				t.Errorf("%q: %v", text, err)
			}
			for i := range need {
				if name := need[i].local(); !filepath.IsLocal(filepath.FromSlash(name)) || name == recordName || name == pendingName || need[i].SHA256+need[i].Blob == "" {
					t.Errorf("%q: chose %+v", text, need[i])
				}
			}
		}
	})
}

// FuzzRecord: whatever a record says, looking for a model, listing and removing do not fail on it.
func FuzzRecord(f *testing.F) {
	seeds := []string{
		`{"name":"a/b","from":"https://huggingface.co/a/b","files":[{"path":"config.json","bytes":5,"sha256":"` + strings.Repeat("b", 64) + `"}],"pulled":"2026-01-02T03:04:05Z"}`,
		`{"name":"a/b:x","files":[{"path":"A/x-00001-of-00002.gguf","bytes":5}],"open":"x-00001-of-00002.gguf"}`, `{"name":"http://h/x.gguf","files":[{"path":"x.gguf"}],"open":"x.gguf"}`,
	}
	testenv.Fuzz(f, seeds, func(t testing.TB, text string) {
		h := &Hub{dir: t.TempDir()}
		dir := filepath.Join(h.dir, "a--b")
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, recordName), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, choice := range []string{"", "x"} {
			if m, err := h.Find(Name{Owner: "a", Repo: "b", Choice: choice}); err == nil && !strings.HasPrefix(m.Path, dir) {
				t.Errorf("%q: found %+v", text, m)
			}
		}
		models, err := h.List()
		if err != nil || len(models) != 1 {
			t.Errorf("%q: listed %v, %v", text, models, err)
		}
		if err := h.Remove(t.Context(), "a--b"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

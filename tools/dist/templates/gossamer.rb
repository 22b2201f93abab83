class Gossamer < Formula
  desc "Runs OpenAI's gpt-oss models on WebGPU"
  homepage "{{.URL}}"
  version "{{.Version}}"
  license "Apache-2.0"
{{range $on, $keys := .Platforms}}
  on_{{$on}} do
{{- range $keys}}
    on_{{.CPU}} do
      url "{{$.URL}}/{{.Archive}}"
      sha256 "{{.SHA256}}"
    end
{{- end}}
  end
{{end}}
  def install
    bin.install "gossamer"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/gossamer"
    zsh_completion.install "completions/_gossamer"
    fish_completion.install "completions/gossamer.fish"
    doc.install "NOTICE"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/gossamer --version")
  end
end

#!/usr/bin/env bash
# Builds the release of the committed revision in two clones of different paths, compares the files, and installs and runs what this machine can.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for clone in "$work/a" "$work/another/place"; do
  git clone -q --no-local . "$clone"
  make --no-print-directory -C "$clone" dist
done
first=$work/a/build/dist
diff -r "$first" "$work/another/place/build/dist"
echo "the same files in two directories"
(cd "$first" && sha256sum --strict --quiet -c SHA256SUMS)

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || exit 0
version=$(basename "$first"/*-linux-amd64.deb | cut -d- -f2)
runs() {
  local told
  told=$("$1" --version)
  [[ $told == "gossamer $version "* ]] || { echo "$1 tells $told" >&2; exit 1; }
  "$1" chat --backend cpu "What is 17 + 25?"
}

tar -xzf "$first/gossamer-$version-linux-amd64.tar.gz" -C "$work"
runs "$work/gossamer-$version-linux-amd64/gossamer"
tar -xzf "$first/gossamer-$version-linux-amd64-portable.tar.gz" -C "$work"
runs "$work/gossamer-$version-linux-amd64-portable/gossamer"

if command -v dpkg-deb >/dev/null; then
  dpkg-deb -x "$first/gossamer-$version-linux-amd64.deb" "$work/deb"
  runs "$work/deb/usr/bin/gossamer"
  test -f "$work/deb/usr/lib/systemd/system/gossamer.service"
fi
if command -v rpm >/dev/null; then
  rpm -qlp "$first/gossamer-$version-linux-amd64.rpm" | grep -qx /usr/bin/gossamer
fi

mkdir "$work/npm"
npm install --prefix "$work/npm" --offline --no-audit --no-fund --silent \
  "$first/npm/gossamer-cli-linux-x64-$version.tgz" "$first/npm/gossamer-cli-$version.tgz"
runs "$work/npm/node_modules/.bin/gossamer"
(cd "$work/npm" && npx --no-install gossamer --version)

#!/bin/bash
# Makes gossamer-nano from nothing: data, training, evaluation, export to runtime/nano. Goes on where it was interrupted.
#
#   STEPS=20000 DIALOGUES=300000 WORK=build/nano tools/nano/build.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

WORK=${WORK:-build/nano}
STEPS=${STEPS:-20000}
DIALOGUES=${DIALOGUES:-300000}
mkdir -p "$WORK"

# PyTorch: whatever python3 has, else Debian's. Without OpenBLAS Debian's multiplies matrices thirty times slower.
python=
for p in python3 /usr/bin/python3; do
  if "$p" -c 'import torch, numpy' 2>/dev/null; then python=$p; break; fi
done
if [ -z "$python" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get install -y python3-torch python3-numpy libopenblas0-pthread
    python=/usr/bin/python3
  else
    echo "nano: PyTorch is missing: install python3-torch, python3-numpy and libopenblas0-pthread, or pip install torch numpy" >&2
    exit 1
  fi
fi

go build -o "$WORK/nano" ./tools/nano
[ -f "$WORK/train.json" ] || "$WORK/nano" data -out "$WORK/train.bin" -dialogues "$DIALOGUES" -seed 1
[ -f "$WORK/test.json" ] || "$WORK/nano" test -out "$WORK/test.bin" -per-cell 200 -seed 2

more=()
if grep -q avx512_bf16 /proc/cpuinfo 2>/dev/null; then more=(--bf16-backward); fi
"$python" tools/nano/train.py train --data "$WORK/train.bin" --test "$WORK/test.bin" --out "$WORK" --steps "$STEPS" "${more[@]}" | tee -a "$WORK/log.jsonl"
"$python" tools/nano/train.py eval --test "$WORK/test.bin" --out "$WORK" --per-cell 200 | tee "$WORK/exact.json"
"$python" tools/nano/train.py export --out "$WORK" --checkpoint runtime/nano/nano.zip
cp "$WORK/log.jsonl" "$WORK/exact.json" runtime/nano/
ls -l runtime/nano/nano.zip

#!/bin/bash
# Makes gossamer-nano from nothing: data, training, evaluation, export to runtime/nano. Goes on where it was interrupted.
#
#   MINUTES=114 DIALOGUES=1300000 WORK=build/nano tools/nano/build.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

WORK=${WORK:-build/nano}
MINUTES=${MINUTES:-114} # of training, on two cores; data and evaluation take half an hour more
DIALOGUES=${DIALOGUES:-1300000}
mkdir -p "$WORK"

# PyTorch: whatever python3 has, else Debian's. Without OpenBLAS Debian's multiplies matrices thirty times slower.
python=
for p in python3 /usr/bin/python3; do
  if "$p" -c 'import torch, numpy' 2>/dev/null; then python=$p; break; fi
done
if [ -z "$python" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq || true
    apt-get install -y --no-install-recommends python3-torch python3-numpy libopenblas0-pthread
    python=/usr/bin/python3
  else
    echo "nano: PyTorch is missing: install python3-torch, python3-numpy and libopenblas0-pthread, or pip install torch numpy" >&2
    exit 1
  fi
fi

go build -o "$WORK/nano" ./tools/nano
[ -f "$WORK/train.json" ] || "$WORK/nano" data -out "$WORK/train.bin" -dialogues "$DIALOGUES" -seed 1
[ -f "$WORK/test.json" ] || "$WORK/nano" test -out "$WORK/test.bin" -per-cell 200 -seed 2

"$python" tools/nano/train.py check --data "$WORK/train.bin" >"$WORK/check.txt" || { cat "$WORK/check.txt"; exit 1; }

# Two schedules, the second with half the learning rate: what the first leaves half learned, as it did with functions after half as many
# tokens, the second finishes.
train() {
  "$python" tools/nano/train.py train --data "$WORK/train.bin" --test "$WORK/test.bin" --out "$WORK" --eval-every 20000 "$@" | tee -a "$WORK/log.jsonl"
}
first=$((MINUTES * 84 / 100))
train --minutes "$first"
train --minutes "$MINUTES" --since "$first" --lr 1.2e-3

"$python" tools/nano/train.py export --out "$WORK" --checkpoint runtime/nano/nano.zip
"$python" tools/nano/train.py export --out "$WORK" --checkpoint "$WORK/compact" --compact
go build -o "$WORK/nano" ./tools/nano # has the new model inside

# Side by side: all questions to the compact form; and the same kinds to PyTorch, then to the whole model at temperature 1.
(
  "$python" tools/nano/train.py eval --test "$WORK/test.bin" --out "$WORK" --per-cell 200 --replies "$WORK/replies.jsonl" >"$WORK/accuracy.json"
  "$WORK/nano" eval -backend cpu -temperature 1 -trained "$WORK/compact/ids.json" -n 5 -seed 21 >"$WORK/eval-temperature-1.json"
) &
"$WORK/nano" eval -model "$WORK/compact" -ids "$WORK/compact/ids.json" -backend cpu -n 200 -seed 7 >"$WORK/eval.json"
wait $!
cat "$WORK/accuracy.json"
cp "$WORK/log.jsonl" "$WORK/eval.json" "$WORK/eval-temperature-1.json" runtime/nano/
"$WORK/nano" table -report "$WORK/eval.json" # what it says is MISSED is below its bar
ls -l runtime/nano/nano.zip

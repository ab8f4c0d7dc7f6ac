#!/bin/sh
# Renders the demo's clip: speech.wav, 16 kHz mono PCM16, two sentences between silences of 1.0, 1.2 and 1.0 s.
# Needs espeak-ng and sox; the result is committed, so that nothing else needs them. Run: sh deploy/demo/render-speech.sh
set -eu
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
espeak-ng -v en-gb -s 150 -w "$scratch/first.wav" 'The invoice was paid this morning.'
espeak-ng -v en-us -s 150 -w "$scratch/second.wav" 'Please send the sensors to Rotterdam.'
for name in first second; do
  sox "$scratch/$name.wav" -r 16000 -c 1 -b 16 "$scratch/$name-16k.wav" norm -3
done
sox -n -r 16000 -c 1 -b 16 "$scratch/one.wav" trim 0 1.0
sox -n -r 16000 -c 1 -b 16 "$scratch/gap.wav" trim 0 1.2
sox "$scratch/one.wav" "$scratch/first-16k.wav" "$scratch/gap.wav" "$scratch/second-16k.wav" "$scratch/one.wav" speech.wav
soxi -D "$scratch/first-16k.wav" "$scratch/second-16k.wav" speech.wav

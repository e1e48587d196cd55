#!/bin/sh
# `npm test`: sets itself up and runs everything: types, lint and format, unused code, then all tests in a private world.
# `npm run test:long`: the same, with all crashes, restarts and sequences instead of a sample.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
if [ "${1:-}" = --long ]; then
  shift
  export DRAWBRIDGE_LONG=1
fi
sh scripts/setup.sh test
case $(uname -m) in aarch64) machine=arm64 ;; *) machine=x64 ;; esac
node=$PWD/node_modules/node-linux-$machine/bin/node
PATH=$(dirname "$node"):$PATH
export PATH
echo '— types' && node_modules/.bin/tsc -p .
echo '— lint and format' && node_modules/.bin/biome check
echo '— unused code and dependencies' && node_modules/.bin/knip
exec sh test/lab/isolate.sh "$node" --disable-warning=ExperimentalWarning node_modules/vitest/vitest.mjs run "$@"

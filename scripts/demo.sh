#!/bin/sh
# `npm run demo`: Drawbridge at work in a private lab of four hosts. Needs no root, and changes nothing on this machine.
# DRAWBRIDGE_DEMO_ONCE=1 ends after the report instead of staying to be played with.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
sh scripts/setup.sh
case $(uname -m) in aarch64) machine=arm64 ;; *) machine=x64 ;; esac
node=$PWD/node_modules/node-linux-$machine/bin/node
exec sh test/lab/isolate.sh "$node" --disable-warning=ExperimentalWarning test/lab/demo.ts

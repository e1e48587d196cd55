#!/bin/sh
# `npm run bench [-- --quick]`: sets itself up and measures Drawbridge beside the same done by hand, in a private world:
# its own network and /run/netns, gone when it ends.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."

if [ "$(id -u)" -ne 0 ]; then
  echo 'drawbridge: the benchmark makes network namespaces and fills tables, and only root may: sudo npm run bench' >&2
  exit 1
fi
sh scripts/setup.sh

missing=
command -v iperf3 >/dev/null || missing="$missing iperf3"
command -v cc >/dev/null || missing="$missing gcc libc6-dev"
if [ -n "$missing" ]; then
  echo "drawbridge: installing$missing" >&2
  apt-get update -q >&2
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >&2
fi

case $(uname -m) in aarch64) machine=arm64 ;; *) machine=x64 ;; esac
node=$PWD/node_modules/node-linux-$machine/bin/node
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
# The controller runs as an ordinary user and keeps its state below this directory.
chmod 755 "$scratch"
cc -O2 -Wall -pthread -o "$scratch/crr" bench/crr.c

mkdir -p /run/netns
# shellcheck disable=SC2016
unshare --mount --net sh -c '
  mount -t tmpfs none /run/netns
  exec "$@"' sh "$node" --disable-warning=ExperimentalWarning bench/main.ts --scratch "$scratch" "$@"

#!/bin/sh
# `npm start`: set-up, then `drawbridge up` in the foreground.
set -eu
here=$(dirname "$(readlink -f "$0")")
if [ "$(id -u)" -ne 0 ]; then
  cat >&2 <<'TEXT'
drawbridge: port forwarding is done by the kernel, and only root may tell the kernel to:
  sudo npm start     sets up what is missing and runs Drawbridge on this machine
  npm run demo       needs no root: shows it at work in a private lab of four hosts
TEXT
  exit 1
fi
sh "$here/setup.sh"
if ! getent passwd drawbridge >/dev/null; then
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin drawbridge
fi
exec "$here/../bin/drawbridge" up "$@"

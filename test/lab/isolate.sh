#!/bin/sh
# Runs a command in a private world: a network and a view of mounts of its own, so that nothing it does to interfaces,
# firewalls or `ip netns` reaches this machine. Root uses plain namespaces, everybody else a user namespace.
set -eu
if [ $# -eq 0 ]; then
  echo 'usage: sh test/lab/isolate.sh COMMAND [ARGUMENT]...' >&2
  exit 2
fi

# /run/netns is where iproute2 keeps its namespaces. Where it is missing, only root of the machine may make it in /run,
# so /run is covered whole. DRAWBRIDGE_LAB names the network it was made in: inherited elsewhere, it does not match.
enter='
  PATH=$PATH:/usr/sbin:/sbin
  if ! [ -d /run/netns ]; then mount -t tmpfs tmpfs /run; mkdir /run/netns; fi
  mount -t tmpfs tmpfs /run/netns
  ip link set lo up
  DRAWBRIDGE_LAB=$(readlink /proc/self/ns/net)
  export PATH DRAWBRIDGE_LAB'

plain='--mount --net'
user='--user --map-root-user --mount --net'

# What a lab needs: some machines allow the namespace and then refuse what is done in it.
probe() {
  # shellcheck disable=SC2086
  unshare $1 sh -ec "$enter; ip netns add probe; ip link add probe netns probe type veth peer name peer
    nft list tables" 2>&1
}

# An open file is a port in the tests of many ports; the limit of an ordinary user stays.
ulimit -n 200000 2>/dev/null || ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

if why_plain=$(probe "$plain"); then
  flags=$plain
elif why_user=$(probe "$user"); then
  flags=$user
else
  cat >&2 <<TEXT
drawbridge: the tests in test/packets and the demo cannot run here: they need network namespaces.
  as $(id -un): $why_plain
  in a user namespace: $why_user
  Run them as root, or allow user namespaces with
    sysctl -w user.max_user_namespaces=10000
  and, where the kernel has them, kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0.
TEXT
  exit 1
fi

# shellcheck disable=SC2086
exec unshare $flags sh -ec "$enter"' ; exec "$@"' isolate "$@"

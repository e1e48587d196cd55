#!/bin/sh
# Installs what is missing: Debian packages (as root) and npm packages, among them the pinned Node. Twice is harmless.
# With "test" as argument also what the tests run against.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."

run_packages='nftables libnftables1 iproute2 util-linux'
test_packages='socat conntrack dnsmasq-base redis-server nginx-light iputils-ping netcat-openbsd procps zsh fish iptables strace libfaketime openssh-server openssh-client fail2ban ipset ufw nmap openssl unbound mariadb-server-core haproxy libnginx-mod-stream'
# The tests with these want root of the machine. Where a Docker is, another one would take its place.
if [ "$(id -u)" -eq 0 ]; then
  test_packages="$test_packages postgresql opensmtpd firewalld busybox-static crowdsec crowdsec-firewall-bouncer"
  [ -e /usr/bin/dockerd ] || test_packages="$test_packages docker.io"
fi
packages=$run_packages
[ "${1:-}" = test ] && packages="$run_packages $test_packages"

missing=
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done

if [ -n "$missing" ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "drawbridge: these Debian packages are missing:$missing" >&2
    echo "  Install them once: sudo apt-get install$missing" >&2
    exit 1
  fi
  echo "drawbridge: installing$missing" >&2
  # A package that starts a service would take ports of this machine: policy-rc.d forbids it for this call alone.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  # Without this file the package wants to register with its makers (see its README.Debian).
  credentials=/etc/crowdsec/online_api_credentials.yaml
  case $missing in *crowdsec*) [ -e "$credentials" ] || { mkdir -p /etc/crowdsec && echo '# not registered' >"$credentials"; } ;; esac
  apt-get update -q >&2
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >&2
  # The tests need these programs; this machine is not to have their rules, nor their open ports, after its next boot.
  for package in $missing; do
    case $package in
      docker.io) units='docker.service docker.socket' ;;
      openssh-server) units=ssh.service ;;
      nginx-light) units=nginx.service ;;
      redis-server | haproxy | postgresql | opensmtpd | unbound | ufw | firewalld | fail2ban | crowdsec | crowdsec-firewall-bouncer) units=$package.service ;;
      *) continue ;;
    esac
    # shellcheck disable=SC2086
    ! command -v systemctl >/dev/null || systemctl disable --quiet $units >&2
  done
fi

# What the lock file of the last installation was; one made for the tests has everything.
run_stamp=node_modules/.drawbridge-run
test_stamp=node_modules/.drawbridge-test
if [ "${1:-}" = test ]; then
  if ! cmp -s package-lock.json "$test_stamp"; then
    echo 'drawbridge: installing npm packages' >&2
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json "$test_stamp"
  fi
elif ! cmp -s package-lock.json "$test_stamp" && ! cmp -s package-lock.json "$run_stamp"; then
  echo 'drawbridge: installing npm packages' >&2
  npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  cp package-lock.json "$run_stamp"
fi

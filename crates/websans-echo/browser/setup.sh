#!/bin/sh
# Installs what browser/test.py needs for Chromium on Debian; does nothing when it is there.
set -eu

present() {
  for program in chromium chromedriver python3 openssl ip; do
    command -v "$program" >/dev/null || return 1
  done
}

if present; then
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "setup.sh: this is not Debian: install chromium, chromedriver, python3, openssl and ip by hand" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "setup.sh: not root: run it as root, or install chromium, chromium-driver, python3, openssl and iproute2" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends chromium chromium-driver python3 openssl iproute2

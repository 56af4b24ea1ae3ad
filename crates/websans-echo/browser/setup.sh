#!/bin/sh
# Installs what browser/test.py needs for Chromium on Debian; does nothing when it is there.
set -eu

if command -v chromium >/dev/null && command -v chromedriver >/dev/null && command -v python3 >/dev/null; then
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "setup.sh: this is not Debian: install chromium, chromedriver and python3 by hand" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "setup.sh: not root: run it as root, or install chromium, chromium-driver and python3" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends chromium chromium-driver python3

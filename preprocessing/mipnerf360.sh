#!/usr/bin/env bash
# A scene of the Mip-NeRF 360 data set in two steps.
#
#   preprocessing/mipnerf360.sh SCENE json      cameras: SCENE/transforms.json
#   preprocessing/mipnerf360.sh SCENE feature   features of the teachers: SCENE/features
#
# More options go to `samnerf prepare` or `samnerf extract`. The teachers of `feature` are $TEACHERS, sam-vit-h by default.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 SCENE json|feature [options]" >&2
    exit 2
fi
scene=$1 step=$2
shift 2

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if ! samnerf=$(command -v samnerf); then
    samnerf=$here/../.venv/bin/samnerf
    [ -x "$samnerf" ] || {
        echo "mipnerf360.sh: there is no samnerf on the path; run 'make setup', or activate the environment that has it" >&2
        exit 1
    }
fi

case $step in
json) exec "$samnerf" prepare mipnerf360 "$scene" "$@" ;;
feature) exec "$samnerf" extract "$scene" --teachers "${TEACHERS:-sam-vit-h}" "$@" ;;
*)
    echo "mipnerf360.sh: there is no step $step; choose json or feature" >&2
    exit 2
    ;;
esac

#!/usr/bin/env bash
# Fetches the weights that do not ship with the package, to where they are looked for.
#
#   ./download.sh              what there is, and what you have
#   ./download.sh sam-vit-h    SAM ViT-H and CLIPSeg, for samnerf-distill (also: sam-vit-b, sam-vit-l)
#
# The folder is $SAMNERF_CHECKPOINTS, or ~/.cache/samnerf. An interrupted download goes on where it stopped.
set -euo pipefail

folder=${SAMNERF_CHECKPOINTS:-$HOME/.cache/samnerf}
meta=https://dl.fbaipublicfiles.com/segment_anything
clipseg=https://huggingface.co/CIDAS/clipseg-rd64-refined/resolve/main

# teacher, file in the folder, address; both are released under the Apache License 2.0
table="sam-vit-b sam_vit_b_01ec64.pth $meta/sam_vit_b_01ec64.pth
sam-vit-l sam_vit_l_0b3195.pth $meta/sam_vit_l_0b3195.pth
sam-vit-h sam_vit_h_4b8939.pth $meta/sam_vit_h_4b8939.pth
clipseg clipseg-rd64-refined/config.json $clipseg/config.json
clipseg clipseg-rd64-refined/model.safetensors $clipseg/model.safetensors"

list() {
    echo "weights in $folder:"
    while read -r teacher file address; do
        state=missing
        [ -f "$folder/$file" ] && state=present
        printf '  %-10s %-8s %-40s %s\n' "$teacher" "$state" "$file" "$address"
    done <<<"$table"
}

# Meta's file names end with the first six digits of the file's MD5.
is_whole() {
    [[ $1 =~ _([0-9a-f]{6})\.pth$ ]] || return 0
    [[ $(md5sum <"$2") == "${BASH_REMATCH[1]}"* ]]
}

fetch() {
    local file=$1 address=$2 path=$folder/$1
    if [ -f "$path" ]; then
        echo "$file is there already"
        return
    fi
    mkdir -p "$(dirname "$path")"
    echo "fetching $file"
    curl --fail --location --progress-bar --continue-at - --output "$path.part" "$address" || {
        echo "download.sh: $address could not be fetched; try again, or put the file at $path yourself" >&2
        exit 1
    }
    is_whole "$file" "$path.part" || {
        rm "$path.part"
        echo "download.sh: what came from $address is not $file (its MD5 differs); try again" >&2
        exit 1
    }
    mv "$path.part" "$path"
}

case ${1:-} in
"") list ;;
sam-vit-b | sam-vit-l | sam-vit-h)
    while read -r teacher file address; do
        if [ "$teacher" = "$1" ] || [ "$teacher" = clipseg ]; then fetch "$file" "$address"; fi
    done <<<"$table"
    list
    ;;
*)
    echo "download.sh: there are no weights called $1; choose sam-vit-b, sam-vit-l or sam-vit-h (the tiny teachers need none)" >&2
    exit 2
    ;;
esac

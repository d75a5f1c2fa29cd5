#!/usr/bin/env bash
# Test an image as an unprivileged user: unknown uid, no network, only bound folders writable, data read-only.
# It simulates two participants in the image, predicts their maps with two processes, resumes a second run, and joins both.
#
#   ENGINE  docker (default), podman, apptainer or singularity, optionally with a prefix (e.g. "sudo docker")
#   IMAGE   name of the image; for apptainer its file
#
# Takes about 2 minutes and 1 GB under $TMPDIR, which it removes. Exit 0 only if all checks passed.
set -euo pipefail

read -ra engine <<<"${ENGINE:-docker}"
image=${IMAGE:-bids_deeptaskgen:latest}
maps_each=47
work=$(mktemp -d)
trap tidy EXIT

fail() { echo "try_image: $*" >&2; exit 1; }
passed() { printf '%5d s  %s\n' "$SECONDS" "$*"; }

# inside DATA_MODE COMMAND ARGS...: run a command in the image; COMMAND "" runs the default command of the image.
inside() {
  local mode=$1 command=$2 verb
  verb=${command:+exec}
  shift 2
  case " ${engine[*]} " in
    *apptainer\ * | *singularity\ *)
      "${engine[@]}" "${verb:-run}" --containall --cleanenv --no-home \
        --bind "$work/data:/data:$mode" --bind "$work/out:/out" "$image" ${command:+"$command"} "$@" ;;
    *)
      "${engine[@]}" run --rm --pull never --network none --user 4242:4242 --read-only \
        --cap-drop all --security-opt no-new-privileges --security-opt label=disable \
        --volume "$work/data:/data:$mode" --volume "$work/out:/out" \
        ${command:+--entrypoint "$command"} "$image" "$@" ;;
  esac
}

# Only the unknown uid may remove the files that it wrote.
tidy() {
  inside rw find /data /out -mindepth 1 -delete >/dev/null 2>&1 || true
  rm -rf "$work"
}

n_maps() { find "$work/out/$1" -name '*_statmap.nii.gz' | wc -l; }

chmod 755 "$work"
install -d -m 777 "$work/data" "$work/out"

version=$(inside ro "" --version) || fail "$image does not start with '${engine[*]}' (build it first: make image, make sif)"
passed "$version"

inside rw deeptaskgen simulate /data --n-participants 2 --n-volumes 150 2>"$work/log" || fail "simulate: $(cat "$work/log")"
passed "two participants simulated"

predict=(/data /out participant --model embedded --nprocs 2)
inside ro "" "${predict[@]}" >"$work/log" 2>&1 || fail "participant: $(cat "$work/log")"
for participant in sub-01 sub-02; do
  [ "$(n_maps "$participant")" -eq "$maps_each" ] || fail "$participant has $(n_maps "$participant") maps, not $maps_each"
done
[ ! -e "$work/out/work" ] || fail "work files remain: $(find "$work/out/work" | head -5)"
passed "$maps_each maps each"

sums() { find "$work/out" -name '*_statmap.nii.gz' -exec sha256sum {} + | sort; }
before=$(sums)
inside ro "" "${predict[@]}" >"$work/log" 2>&1 || fail "second run: $(cat "$work/log")"
[ "$(grep -c 'sub-0[12]  *present' "$work/log")" -eq 2 ] || fail "the second run did not find the existing maps: $(cat "$work/log")"
[ "$(sums)" = "$before" ] || fail "the second run changed maps"
passed "a second run does not change them"

inside ro "" /data /out group >"$work/log" 2>&1 || fail "group: $(cat "$work/log")"
[ "$(n_maps group)" -eq $((3 * maps_each)) ] || fail "the group has $(n_maps group) maps, not 3 x $maps_each"
passed "group level done"

inside ro deeptaskgen store pack /out /out/cohort.zarr >"$work/log" 2>&1 || fail "store pack: $(cat "$work/log")"
inside ro deeptaskgen store check /out/cohort.zarr >"$work/log" 2>&1 || fail "store check: $(cat "$work/log")"
passed "cohort store packed and checked"

code=0
inside ro "" /data/derivatives /out participant --model embedded >"$work/log" 2>&1 || code=$?
[ "$code" -eq 3 ] || fail "a folder without usable data must end with exit code 3, not $code: $(cat "$work/log")"
passed "exit codes are passed on"

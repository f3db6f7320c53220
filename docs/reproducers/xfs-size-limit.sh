#!/bin/bash
# An atomic write that a limit on the size of files shortens on XFS, by xfs_io or fio.
#
# usage (root): xfs-size-limit.sh NEW-IMAGE EMPTY-DIR [xfs_io|fio]
#
# Writes 8 KiB at 8 KiB into a file of 16 KiB with RWF_ATOMIC, under a limit of 12 KiB
# (ulimit -f), which lies inside the write, and looks. Whole is a file of which the write
# changed both blocks or none. No power is lost.
# Exit code 0: a part was written; 1: it was not; 2: usage.
#   XFS_IO (xfs_io), of xfsprogs 6.12 or later   FIO (fio), 3.38 or later
set -eu -o pipefail
image=${1:-} dir=${2:-} by=${3:-xfs_io}
read -ra xfs_io <<<"${XFS_IO:-xfs_io}"
read -ra fio <<<"${FIO:-fio}"
fail() { echo "$1" >&2; exit 2; }
[ $# -ge 2 ] && [ $# -le 3 ] || fail "usage: $0 NEW-IMAGE EMPTY-DIR [xfs_io|fio]"
[ "$by" = xfs_io ] || [ "$by" = fio ] || fail "$by; allowed: xfs_io, fio"
[ ! -e "$image" ] || fail "$image exists; allowed: a file that does not"
[ -d "$dir" ] && [ -z "$(ls -A "$dir")" ] || fail "$dir; allowed: an empty directory"
[ "$by" = fio ] || "${xfs_io[@]}" -c "help pwrite" 2>/dev/null | grep -q RWF_ATOMIC || fail "xfs_io without pwrite -A; allowed: xfsprogs 6.12 or later"
[ "$by" = xfs_io ] || [ "$(printf '%s\n' fio-3.38 "$("${fio[@]}" --version)" | sort -V | head -1)" = fio-3.38 ] || fail "fio without atomic=1; allowed: fio 3.38 or later"

writer='' made='' loop=''
clean() {
	[ -z "$writer" ] || { kill "$writer" 2>/dev/null && wait "$writer" 2>/dev/null; } || true
	! mountpoint -q "$dir" || umount "$dir"
	[ -z "$loop" ] || losetup -d "$loop"
	[ -z "$made" ] || rm -f "$image"
}
trap clean EXIT
trap 'exit 130' INT TERM

set -o noclobber
: >"$image"
made=yes
set +o noclobber
truncate -s 320M "$image"
loop=$(losetup -f --show "$image")
mkfs.xfs -q "$loop"
mount "$loop" "$dir"
old() { head -c 4096 /dev/zero | tr '\0' o; }
for _ in 1 2 3 4; do old; done >"$dir/f"
sync -f "$dir"

# The limit would also stop what they write of their own to a file.
if [ "$by" = xfs_io ]; then
	write=("${xfs_io[@]}" -d -c "pwrite -q -A -V1 -S 0x6e -b 8k 8k 8k" "$dir/f")
else
	# Without create_on_open fio would lay the file out anew.
	write=("${fio[@]}" --name=limit --filename="$dir/f" --ioengine=pvsync2 --direct=1 --atomic=1 --create_on_open=1
		--overwrite=1 --rw=write --bs=8k --offset=8k --size=8k)
fi
(
	trap '' XFSZ
	ulimit -S -f 12
	exec "${write[@]}"
) >/dev/null 2>&1 &
writer=$!
wait "$writer" || true # it may have been refused
writer=''

blocks=()
for n in 0 1 2 3; do
	if dd if="$dir/f" bs=4096 skip="$n" count=1 status=none | cmp -s - <(old); then blocks+=(old); else blocks+=(new); fi
done
echo "blocks of the file: ${blocks[*]}"
[ "${blocks[2]}" != "${blocks[3]}" ]

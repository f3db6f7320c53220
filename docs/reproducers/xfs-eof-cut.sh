#!/bin/bash
# An atomic write over the end of file that XFS recovers in part, by xfs_io or fio.
#
# usage (root): xfs-eof-cut.sh NEW-IMAGE EMPTY-DIR [ROUNDS [xfs_io|fio]]
#
# Each round has files of 2 KiB, forces the log all the time (syncfs), writes 8 KiB over
# them with RWF_ATOMIC, shuts the file system down without a log flush, mounts it
# again and looks. Whole is the old 2048 bytes, or 8192 new ones. 2048 new bytes are
# a part of the write. Exit code 0: seen; 1: not seen, which is luck; 2: usage.
#   XFS_IO (xfs_io), of xfsprogs 6.12 or later   FIO (fio), 3.38 or later
set -eu -o pipefail
image=${1:-} dir=${2:-} rounds=${3:-200} by=${4:-xfs_io}
read -ra xfs_io <<<"${XFS_IO:-xfs_io}"
read -ra fio <<<"${FIO:-fio}"
fail() { echo "$1" >&2; exit 2; }
[ $# -ge 2 ] && [ $# -le 4 ] || fail "usage: $0 NEW-IMAGE EMPTY-DIR [ROUNDS [xfs_io|fio]]"
[[ $rounds =~ ^[1-9][0-9]*$ ]] || fail "ROUNDS $rounds; allowed: a number from 1 on"
[ "$by" = xfs_io ] || [ "$by" = fio ] || fail "$by; allowed: xfs_io, fio"
[ ! -e "$image" ] || fail "$image exists; allowed: a file that does not"
[ -d "$dir" ] && [ -z "$(ls -A "$dir")" ] || fail "$dir; allowed: an empty directory"
"${xfs_io[@]}" -c "help pwrite" 2>/dev/null | grep -q RWF_ATOMIC || fail "xfs_io without pwrite -A; allowed: xfsprogs 6.12 or later"
[ "$by" = xfs_io ] || [ "$(printf '%s\n' fio-3.38 "$("${fio[@]}" --version)" | sort -V | head -1)" = fio-3.38 ] || fail "fio without atomic=1; allowed: fio 3.38 or later"

syncers=() writer='' made='' loop=''
stop() { # PIDS: ends and collects processes of ours
	local pid
	for pid; do
		[ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }
	done
}
clean() {
	stop "$writer" "${syncers[@]}"
	! mountpoint -q "$dir" || umount "$dir"
	[ -z "$loop" ] || losetup -d "$loop"
	[ -z "$made" ] || rm -f "$image"
}
trap clean EXIT
trap 'exit 130' INT TERM

old() { head -c 2048 /dev/zero | tr '\0' o; }
files=1
[ "$by" = xfs_io ] || files=64
set -o noclobber
: >"$image"
made=yes
set +o noclobber
truncate -s 320M "$image"
loop=$(losetup -f --show "$image")
mkfs.xfs -q "$loop"

declare -A seen
found=0 # rounds
for ((i = 0; i < rounds; i++)); do
	mount "$loop" "$dir"
	rm -f "$dir"/f.*
	for ((n = 0; n < files; n++)); do old >"$dir/f.$n"; done
	sync -f "$dir"
	syncers=()
	for n in 1 2; do
		yes syncfs | "${xfs_io[@]}" "$dir/f.0" >/dev/null 2>&1 &
		syncers+=($!) # xfs_io; without it the other one ends
	done
	sleep 0.05 # until they are at it
	if [ "$by" = xfs_io ]; then
		"${xfs_io[@]}" -x -d -c "pwrite -q -A -V1 -b 8k 0 8k" -c shutdown "$dir/f.0"
	else
		# Without create_on_open fio would lay the files out anew, of 8 KiB.
		"${fio[@]}" --name=eof --directory="$dir" --filename_format='f.$jobnum' --numjobs="$files" --thread \
			--ioengine=pvsync2 --direct=1 --atomic=1 --create_on_open=1 --rw=write --bs=8k --filesize=8k >/dev/null 2>&1 &
		writer=$!
		# Until the first write returned; others are under way.
		while [ -z "$(find "$dir" -name 'f.*' -size 8192c -print -quit)" ]; do
			kill -0 "$writer" 2>/dev/null || fail "fio ended before it wrote: try ${fio[*]} --version"
		done
		"${xfs_io[@]}" -x -c shutdown "$dir"
	fi
	stop "$writer" "${syncers[@]}"
	writer='' syncers=()
	umount "$dir"
	mount "$loop" "$dir"
	part=0
	for ((n = 0; n < files; n++)); do
		size=$(stat -c %s "$dir/f.$n")
		what="whole, $size bytes"
		if [ "$size" = 2048 ]; then
			old | cmp -s - "$dir/f.$n" || what="IN PART: 2048 bytes of 8192"
		elif [ "$size" != 8192 ]; then
			what="IN PART: $size bytes of 8192"
		fi
		[[ $what != IN* ]] || part=1
		seen[$what]=$((${seen[$what]:-0} + 1))
	done
	found=$((found + part))
	umount "$dir"
done
for what in "${!seen[@]}"; do echo "${seen[$what]} $what"; done
echo "a part in $found of $rounds rounds"
[ "$found" -gt 0 ]

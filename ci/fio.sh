#!/bin/bash
# Compare stamped atomic writes of untorn with fio's rate for the same job on the
# same file: pwritev2 and io_uring, with RWF_ATOMIC and without.
#
#   ci/fio.sh            on XFS, which it makes on a loop device; needs root
#   ci/fio.sh FILE       on a new file where you say
#
# Atomic writes need fio 3.38. Where fio is older, and debootstrap is there and
# this is root, Debian 13's is put into FIO_ROOT and used from there.
#   UNTORN (bin/untorn)  FIO_ROOT (/var/tmp/untorn-fio)
#   UNIT (16KiB)  SIZE (256MiB)  DEPTH (16)  SECONDS_EACH (2)  ROUNDS (9)
set -eu -o pipefail
cd "$(dirname "$0")/.."

untorn=${UNTORN:-bin/untorn}
root=${FIO_ROOT:-/var/tmp/untorn-fio}
unit=${UNIT:-16KiB} size=${SIZE:-256MiB} depth=${DEPTH:-16} seconds=${SECONDS_EACH:-2} rounds=${ROUNDS:-9}
[ -x "$untorn" ] || { echo "$untorn: build it first: make build"; exit 2; }

loop='' dir=''
clean() {
	set +e
	[ -z "$dir" ] || umount "$dir/mnt" 2>/dev/null
	[ -z "$loop" ] || losetup -d "$loop"
	[ -z "$dir" ] || rm -rf "$dir"
	[ $# -eq 0 ] || rm -f "$1"
}
trap 'clean' EXIT
trap 'exit 130' INT TERM

if [ $# -gt 0 ]; then
	file=$1
	[ ! -e "$file" ] || { echo "$file exists; allowed: a file that does not"; exit 2; }
	trap 'clean "$file"' EXIT
else
	[ "$(id -u)" = 0 ] || { echo "a loop device needs root; or name a new file: ci/fio.sh FILE"; exit 4; }
	command -v mkfs.xfs >/dev/null || { echo "mkfs.xfs is missing (package xfsprogs)"; exit 4; }
	dir=$(mktemp -d -t untorn-fio.XXXXXX)
	truncate -s 2G "$dir/image"
	loop=$(losetup -f --show "$dir/image")
	mkfs.xfs -q -f "$loop"
	mkdir "$dir/mnt"
	mount "$loop" "$dir/mnt"
	file=$dir/mnt/scratch
fi

# new reports whether a fio does RWF_ATOMIC; older ones take atomic=1 and do
# nothing about it.
new() {
	local have
	have=$("$@" --version 2>/dev/null) || return 1
	[ "$(printf '%s\n' fio-3.38 "$have" | sort -V | head -1)" = fio-3.38 ]
}

fio=(fio)
command -v fio >/dev/null || fio=(false)
if ! new "${fio[@]}"; then
	lib=$root/usr/lib/$(uname -m)-linux-gnu
	if [ ! -x "$root/usr/bin/fio" ] && [ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null; then
		mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -1 || true)
		echo "putting fio of Debian 13 into $root" >&2
		debootstrap --variant=minbase --include=fio trixie "$root" $mirror >&2 || rm -rf "$root"
	fi
	if [ -x "$root/usr/bin/fio" ]; then
		# By its own loader, so that it reaches the same file without a chroot.
		fio=("$(echo "$root"/usr/lib*/ld-linux-*.so.? | cut -d' ' -f1)" --library-path "$lib:$lib/ceph" "$root/usr/bin/fio")
	fi
fi
version=$("${fio[@]}" --version 2>/dev/null) || { echo "fio is missing (package fio)"; exit 4; }
kinds=(plain)
if new "${fio[@]}"; then
	kinds=(plain atomic)
else
	echo "$version has no atomic=1: atomic writes cannot be compared here; allowed: fio 3.38 or later, or debootstrap and root"
fi

# Both write the same file, one after the other, so that what one leaves of its
# layout is what the other meets.
byfio() { # kind engine depth
	local atomic=()
	[ "$1" = plain ] || atomic=(--atomic=1)
	"${fio[@]}" --name=job --filename="$file" --rw=randwrite --bs="${unit/iB/}" --size="${size/iB/}" --direct=1 --ioengine="$2" \
		--iodepth="$3" --norandommap=1 --time_based --runtime="$seconds" "${atomic[@]}" --minimal | awk -F';' 'NF > 50 { print $49 }'
}
byuntorn() { # kind depth
	local atomic=()
	[ "$1" = plain ] || atomic=(--atomic)
	"$untorn" device speed --on "$file" --existing --unit "$unit" --size "$size" --depth "$2" --time "${seconds}s" "${atomic[@]}" |
		sed -n 's/.*: \([0-9]*\) a second.*/\1/p'
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

head -c "$(numfmt --from=auto "${size%B}")" /dev/zero >"$file"
echo "kernel $(uname -r), $version, $(nproc) CPUs, $unit of $size, $rounds rounds of ${seconds} s, medians; ratio: of each round, its median"
echo
echo "| calls | writes | fio, a second | untorn, a second | ratio |"
echo "| --- | --- | --- | --- | --- |"
for calls in pwritev2 io_uring; do
	engine=pvsync2 deep=1 own=0
	[ "$calls" = pwritev2 ] || { engine=io_uring; deep=$depth; own=$depth; }
	for kind in "${kinds[@]}"; do
		a=() b=() r=()
		for ((i = 0; i < rounds; i++)); do
			# Whoever comes second meets the layout that the first one left.
			if ((i % 2)); then
				y=$(byuntorn "$kind" "$own") x=$(byfio "$kind" "$engine" "$deep")
			else
				x=$(byfio "$kind" "$engine" "$deep") y=$(byuntorn "$kind" "$own")
			fi
			a+=("$x") b+=("$y") r+=("$((1000 * y / x))")
		done
		printf '| %s, depth %d | %s | %d | %d | %s%% |\n' "$calls" "$deep" "$kind" "$(printf '%s\n' "${a[@]}" | median)" \
			"$(printf '%s\n' "${b[@]}" | median)" "$(printf '%s\n' "${r[@]}" | median | sed 's/.$/.&/')"
	done
done

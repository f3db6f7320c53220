#!/bin/bash
# Compare stamped atomic writes of untorn with fio's rate for the same job on the
# same file: pwritev2 and io_uring, with RWF_ATOMIC and without.
#
#   ci/fio.sh            on XFS, which it makes on a loop device; needs root
#   ci/fio.sh FILE       on a new file where you say
#   ci/fio.sh --help     this
#
# It needs untorn (make build), fio and, for the loop device, mkfs.xfs. Atomic
# writes need fio 3.38. Where fio is older or missing, and debootstrap is there
# and this is root, Debian 13's is put into FIO_ROOT, once, and used from there.
# On Debian:
#   apt-get install fio xfsprogs debootstrap
# Settings are variables of the environment:
#   UNTORN (bin/untorn)  FIO_ROOT (/var/tmp/untorn-fio)
#   UNIT (16KiB)  SIZE (256MiB)  DEPTH (16)  SECONDS_EACH (2)  ROUNDS (15)
# The image of the loop device, 2 GiB, goes where TMPDIR says.
set -eu -o pipefail
from=$PWD
cd "$(dirname "$0")/.."

fail() { # exit code, why
	echo "ci/fio.sh: $2" >&2
	exit "$1"
}

case "$#${1:-}" in
1-h | 1--help)
	sed -n '2,/^set/s/^# \{0,1\}//p' ci/fio.sh
	exit
	;;
0 | 1[!-]*) ;;
*) fail 2 "arguments $*; allowed: one file that does not exist, --help, or none" ;;
esac
untorn=${UNTORN:-bin/untorn}
root=${FIO_ROOT:-/var/tmp/untorn-fio}
unit=${UNIT:-16KiB} size=${SIZE:-256MiB} depth=${DEPTH:-16} seconds=${SECONDS_EACH:-2} rounds=${ROUNDS:-15}
for v in "UNIT $unit" "SIZE $size"; do
	[[ ${v#* } =~ ^[1-9][0-9]*[KMG]iB$ ]] || fail 2 "$v; allowed: whole KiB, MiB or GiB, such as 16KiB"
done
for v in "DEPTH $depth" "SECONDS_EACH $seconds" "ROUNDS $rounds"; do
	[[ ${v#* } =~ ^[1-9][0-9]*$ ]] || fail 2 "$v; allowed: 1 and above"
done
[ -x "$untorn" ] || fail 2 "$untorn is missing; build it first: make build"

loop='' dir='' part=''
clean() {
	set +e
	# Ctrl-C does not reach what has a session of its own; that ends with its time.
	for ((i = 0; i < seconds + 60; i++)); do
		[ -n "$dir" ] && mountpoint -q "$dir/mnt" || break
		umount "$dir/mnt" 2>/dev/null || sleep 1
	done
	[ -z "$loop" ] || losetup -d "$loop"
	[ -z "$dir$part" ] || rm -rf --one-file-system ${dir:+"$dir"} ${part:+"$part"}
	[ $# -eq 0 ] || rm -f "$1"
}
trap 'clean' EXIT
trap 'exit 130' INT TERM

if [ $# -gt 0 ]; then
	file=$(cd "$from" && realpath -m -- "$1")
	[ ! -e "$file" ] || fail 2 "$file exists; allowed: a file that does not"
	trap 'clean "$file"' EXIT
else
	[ "$(id -u)" = 0 ] || fail 4 "a loop device needs root; or name a new file: ci/fio.sh FILE"
	command -v mkfs.xfs >/dev/null || fail 4 "mkfs.xfs is missing: apt-get install xfsprogs"
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
	if [ ! -e "$root" ] && [ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null; then
		mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -1 || true)
		echo "putting fio of Debian 13 into $root" >&2
		part=$(mktemp -d "$root.XXXXXX")
		if debootstrap --variant=minbase --include=fio trixie "$part" $mirror >"$part.log" 2>&1; then
			rm "$part.log"
			chmod 755 "$part"
			mv "$part" "$root"
			part=''
		else
			echo "debootstrap failed, see $part.log" >&2
		fi
	fi
	if [ -x "$root/usr/bin/fio" ]; then
		# By its own loader, so that it reaches the same file without a chroot.
		fio=("$(echo "$root"/usr/lib*/ld-linux-*.so.? | cut -d' ' -f1)" --library-path "$lib:$lib/ceph" "$root/usr/bin/fio")
	fi
fi
version=$("${fio[@]}" --version 2>/dev/null) || fail 4 "fio is missing: apt-get install fio debootstrap"
kinds=(plain)
if new "${fio[@]}"; then
	kinds=(plain atomic)
else
	echo "$version has no atomic=1, so that atomic writes are not compared; fio 3.38 has, and comes by itself where debootstrap is" \
		"(apt-get install debootstrap), this is root and $root does not exist" >&2
fi

# XFS is faster for half a second after its log was forced and at rest, and fio's
# start and end let it rest. So both begin with that.
settle() {
	sync -f "$file"
	sleep 1
}

# Both write the same file, one after the other, so that what one leaves of its
# layout is what the other meets. The places are new ones in each round: the same
# once more are slower by some 3%. And both have a session of their own, as fio
# makes one for its job: the kernel shares processors out by session
# (sched_autogroup), and this one may have other things to do.
byfio() { # kind engine depth
	local atomic=()
	[ "$1" = plain ] || atomic=(--atomic=1)
	settle
	"${fio[@]}" --name=job --filename="$file" --rw=randwrite --bs="${unit/iB/}" --size="${size/iB/}" --direct=1 --ioengine="$2" \
		--iodepth="$3" --norandommap=1 --randrepeat=0 --time_based --runtime="$seconds" "${atomic[@]}" --minimal | awk -F';' 'NF > 50 { print $49 }'
}
byuntorn() { # kind depth seed
	local atomic=()
	[ "$1" = plain ] || atomic=(--atomic)
	settle
	setsid -w "$untorn" device speed --on "$file" --existing --unit "$unit" --size "$size" --depth "$2" --seed "$3" --time "${seconds}s" "${atomic[@]}" |
		sed -n 's/.*: \([0-9]*\) a second.*/\1/p'
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

head -c "$(numfmt --from=auto "${size%B}")" /dev/zero >"$file"
load() { cut -d' ' -f1 /proc/loadavg; }
echo "kernel $(uname -r), $version, $(nproc) CPUs, load $(load) before; $unit of $size, $rounds rounds of $seconds s, medians; ratio: of each round, its median"
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
				y=$(byuntorn "$kind" "$own" "$i") x=$(byfio "$kind" "$engine" "$deep")
			else
				x=$(byfio "$kind" "$engine" "$deep") y=$(byuntorn "$kind" "$own" "$i")
			fi
			if [ "$x" = 0 ] || [ "$y" = 0 ]; then
				echo "a round with no write in $seconds s is left out; this machine is too busy" >&2
				continue
			fi
			a+=("$x") b+=("$y") r+=("$((1000 * y / x))")
		done
		[ ${#r[@]} -gt 0 ] || fail 1 "no round left"
		printf '| %s, depth %d | %s | %d | %d | %s%% |\n' "$calls" "$deep" "$kind" "$(printf '%s\n' "${a[@]}" | median)" \
			"$(printf '%s\n' "${b[@]}" | median)" "$(printf '%s\n' "${r[@]}" | median | sed 's/.$/.&/')"
	done
done

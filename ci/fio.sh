#!/bin/bash
# Compare stamped atomic writes of untorn with fio's rate for the same job on the
# same file: pwritev2 and io_uring, with RWF_ATOMIC and without.
#
#   ci/fio.sh            on XFS, which it makes on a loop device; needs root
#   ci/fio.sh FILE       on a new file, twice SIZE, where you say
#   ci/fio.sh --help     this
#
# It needs untorn (make build), fio and, for the loop device, mkfs.xfs. Atomic
# writes need fio 3.38. Where fio is older or missing, and debootstrap is there
# and this is root, Debian 13's is put into FIO_ROOT, once, and used from there.
# On Debian:
#   apt-get install fio xfsprogs debootstrap
# Settings are variables of the environment:
#   UNTORN (bin/untorn)  FIO_ROOT (/var/tmp/untorn-fio)
#   UNIT (16KiB)  SIZE (128MiB, of each)  DEPTH (16)
#   ROUNDS (4)  TURNS (50, of each in a round)  TURN (200, ms)
# The image of the loop device, 16 times SIZE and at least 2 GiB, goes where
# TMPDIR says.
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
unit=${UNIT:-16KiB} size=${SIZE:-128MiB} depth=${DEPTH:-16} rounds=${ROUNDS:-4} turns=${TURNS:-50} ms=${TURN:-200}
for v in "UNIT $unit" "SIZE $size"; do
	[[ ${v#* } =~ ^[1-9][0-9]*[KMG]iB$ ]] || fail 2 "$v; allowed: whole KiB, MiB or GiB, such as 16KiB"
done
bytes=$(numfmt --from=auto "${size%B}") each=$(numfmt --from=auto "${unit%B}")
for v in "DEPTH $depth" "ROUNDS $rounds" "TURNS $turns" "TURN $ms"; do
	[[ ${v#* } =~ ^[1-9][0-9]*$ ]] || fail 2 "$v; allowed: 1 and above"
done
[ -x "$untorn" ] || fail 2 "$untorn is missing; build it first: make build"

exec {never}<> <(:)
rest() { read -rt "$1" -u "$never" || true; } # seconds; begins no process

loop='' dir='' part='' said='' running=()
clean() {
	set +e
	# By id, because Ctrl-C does not reach what has a session of its own, nor what
	# is stopped.
	[ ${#running[@]} -eq 0 ] || { kill -KILL "${running[@]}" && wait; } 2>/dev/null
	# The kernel closes the file of a ring some time after its program has ended.
	for ((i = 0; i < 100; i++)); do
		[ -n "$dir" ] && mountpoint -q "$dir/mnt" || break
		umount "$dir/mnt" 2>/dev/null || rest 0.1
	done
	[ -z "$loop" ] || losetup -d "$loop"
	[ -z "$dir$part$said" ] || rm -rf --one-file-system ${dir:+"$dir"} ${part:+"$part"} ${said:+"$said"}
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
	truncate -s $((bytes > 1 << 27 ? bytes * 16 : 1 << 31)) "$dir/image"
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

# Both are there at once, each on its half of one file, and in turns one writes
# and the other is stopped: so both meet the same file system in the same state,
# which drifts, and neither has of its start or end what the other has not. What
# they wrote is what the kernel counts for either. Both have a session of their
# own, as fio makes one for its job: the kernel shares processors out by session
# (sched_autogroup), and this one may have other things to do.
#
# Every 10 ms fio looks in TMPDIR for a file that is not there. A file system that
# keeps no memory of names it does not have (tmpfs, proc) frees something each
# time, and until that is freed the kernel leaves the clock of an idle processor
# running, which saves it work: writes are faster by a tenth, those of fio alone,
# because it is stopped while it is not its turn. So fio looks beside the file.
limit=$((60 + turns * ms / 250)) # seconds, twice what the turns of both take and more
byfio() { # kind engine depth half
	local atomic=()
	[ "$1" = plain ] || atomic=(--atomic=1)
	TMPDIR=$(dirname "$file") exec setsid "${fio[@]}" --name=job --thread --filename="$file" --rw=randwrite --bs="$each" --offset="$(($4 * bytes))" \
		--size="$bytes" --direct=1 --ioengine="$2" --iodepth="$3" --norandommap=1 --randrepeat=0 --time_based --runtime="$limit" "${atomic[@]}"
}
byuntorn() { # kind depth half seed
	local atomic=()
	[ "$1" = plain ] || atomic=(--atomic)
	exec setsid "$untorn" device speed --on "$file" --existing --unit "$unit" --offset "$(($3 * bytes))" --size "$size" --depth "$2" --seed "$4" \
		--time "${limit}s" "${atomic[@]}"
}

complaint() { grep -m 1 "^$1:" "$said/$1" || tail -1 "$said/$1"; }

start() { # name function argument...: begins it, gives it a second and stops it
	"${@:2}" >"$said/$1" 2>&1 &
	running+=($!)
	rest 1
	kill -STOP $! 2>/dev/null || fail 1 "$1 has ended: $(complaint "$1")"
}

written() { # pid; sets count, of units
	local key value
	while read -r key value; do
		[ "$key" != write_bytes: ] || count=$((value / each))
	done <"/proc/$1/io"
}

turn() { # pid; sets rate, a second
	local begun ended before
	written "$1"
	before=$count begun=${EPOCHREALTIME/[.,]/}
	kill -CONT "$1"
	rest "$seconds"
	kill -STOP "$1" 2>/dev/null || fail 1 "one has ended: $(complaint fio) $(complaint untorn)"
	ended=${EPOCHREALTIME/[.,]/}
	# The call it is in ends first.
	rest 0.005
	written "$1"
	rate=$(((count - before) * 1000000 / (ended - begun)))
}

quantile() { # percent, of the numbers that follow
	printf '%s\n' "${@:2}" | sort -n | awk -v p="$1" '{ v[NR] = $1 } END { print v[int(NR * p / 100 + 0.999999)] }'
}
percent() { sed 's/.$/.&%/' <<<"$1"; }

printf -v seconds '%d.%03d' $((ms / 1000)) $((ms % 1000))
said=$(mktemp -d -t untorn-fio.XXXXXX)
dd if=/dev/zero of="$file" bs="$each" count=$((2 * bytes / each)) oflag=direct status=none
if [ ${#kinds[@]} -gt 1 ] && ! why=$("$untorn" device speed --on "$file" --existing --unit "$unit" --size "$size" --time 100ms --atomic 2>&1); then
	echo "$why; atomic writes are not compared" >&2
	kinds=(plain)
fi
echo "kernel $(uname -r), $version, $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg) before; $unit of $size, $rounds rounds of $turns turns of $ms ms each"
echo
echo "| calls | writes | fio, a second | untorn, a second | ratio: median of the turns | half of them within |"
echo "| --- | --- | --- | --- | --- | --- |"
for calls in pwritev2 io_uring; do
	engine=pvsync2 deep=1 own=0
	[ "$calls" = pwritev2 ] || { engine=io_uring; deep=$depth; own=$depth; }
	for kind in "${kinds[@]}"; do
		a=() b=() r=()
		for ((i = 0; i < rounds; i++)); do
			start fio byfio "$kind" "$engine" "$deep" $((i % 2))
			start untorn byuntorn "$kind" "$own" $((1 - i % 2)) "$i"
			for ((j = 0; j < turns; j++)); do
				for k in $((j % 2)) $((1 - j % 2)); do
					turn "${running[k]}"
					rates[k]=$rate
				done
				if [ "${rates[0]}" = 0 ] || [ "${rates[1]}" = 0 ]; then
					echo "a turn with no write in $ms ms is left out; this machine is too busy" >&2
					continue
				fi
				a+=("${rates[0]}") b+=("${rates[1]}") r+=("$((1000 * rates[1] / rates[0]))")
			done
			kill -TERM "${running[@]}"
			kill -CONT "${running[@]}"
			wait "${running[0]}" || true # fio's code is that of a program that was ended
			wait "${running[1]}" || fail 1 "$(complaint untorn)"
			running=()
		done
		[ ${#r[@]} -gt 0 ] || fail 1 "no turn left"
		printf '| %s, depth %d | %s | %d | %d | %s | %s to %s |\n' "$calls" "$deep" "$kind" "$(quantile 50 "${a[@]}")" "$(quantile 50 "${b[@]}")" \
			"$(percent "$(quantile 50 "${r[@]}")")" "$(percent "$(quantile 25 "${r[@]}")")" "$(percent "$(quantile 75 "${r[@]}")")"
	done
done

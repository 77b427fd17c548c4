#!/bin/sh
# Stands before rm and unlink for commands of a session. What is small and inside of the workspace goes to the real
# program; the rest is moved into a quarantine, with the messages and exit codes of the real one.
name=${0##*/}
here=${0%/*}
limit_files=@FILES@ limit_kb=@KB@
rest= real=
IFS=:
for folder in $PATH; do
	case $folder in "$here" | "") continue ;; esac
	rest=$rest${rest:+:}$folder
	[ -z "$real" ] && [ -x "$folder/$name" ] && [ ! -d "$folder/$name" ] && real=$folder/$name
done
unset IFS
if [ -z "$real" ]; then
	echo "$name: command not found" >&2
	exit 127
fi
[ -n "$CODEX_QUARANTINE_ROOTS" ] || exec "$real" "$@"
newline='
'

recursive= force= verbose= empty= only= count=0
for word; do
	if [ -z "$only" ]; then
		case $word in
		--) only=1; continue ;;
		--recursive) recursive=1; continue ;;
		--force) force=1; continue ;;
		--verbose) verbose=1; continue ;;
		--dir) empty=1; continue ;;
		--*) exec "$real" "$@" ;; # --help, --interactive and what else there is
		-?*)
			flags=${word#-}
			while [ -n "$flags" ]; do
				case $flags in
				[rR]*) recursive=1 ;;
				f*) force=1 ;;
				v*) verbose=1 ;;
				d*) empty=1 ;;
				*) exec "$real" "$@" ;;
				esac
				flags=${flags#?}
			done
			continue
			;;
		esac
	fi
	count=$((count + 1))
done
[ "$count" -gt 0 ] || exec "$real" "$@"

# Where an operand lies, with symlinks in its folder resolved: $place, and $home is the root around it, or empty.
locate() {
	path=$1
	while :; do
		case $path in ?*/) path=${path%/} ;; *) break ;; esac
	done
	case $path in
	*/*) folder=${path%/*}; [ -n "$folder" ] || folder=/ ;;
	*) folder=. ;;
	esac
	base=${path##*/}
	folder=$(CDPATH= cd -P -- "$folder" 2>/dev/null && pwd -P && echo .) || return 1
	folder=${folder%"$newline."}
	place=${folder%/}/$base
	home=
	IFS=$newline
	for root in $CODEX_QUARANTINE_ROOTS; do
		case $place in "$root"/*) home=$root ;; esac
	done
	unset IFS
}

# Operands one a time: calls "$1" with each.
each() {
	visit=$1
	shift
	only=
	for word; do
		if [ -z "$only" ]; then
			case $word in
			--) only=1; continue ;;
			-?*) continue ;;
			esac
		fi
		$visit "$word"
	done
}

outside=
look() {
	if [ -e "$1" ] || [ -L "$1" ]; then
		locate "$1" && [ -z "$home" ] && outside=1
	fi
}
each look "$@"

PATH=$rest
large=
measure() {
	case $1 in /*) one=$1 ;; *) one=./$1 ;; esac
	[ -n "$recursive" ] || [ ! -d "$one" ] || return
	{ [ -e "$one" ] || [ -L "$one" ]; } && du -ak "$one" 2>/dev/null
}
if [ -z "$outside" ]; then
	large=$(each measure "$@" | awk -v files="$limit_files" -v kb="$limit_kb" \
		'{ if (++n > files || $1 + 0 > kb + 0) { print 1; exit } }')
	[ -n "$large" ] || exec "$real" "$@"
fi

status=0 number=0
move() {
	case ${1%/} in . | .. | */. | */.. | "") real_one "$1"; return ;; esac
	if [ ! -e "$1" ] && [ ! -L "$1" ]; then real_one "$1"; return; fi
	if [ -d "$1" ] && [ ! -L "$1" ] && [ -z "$recursive" ]; then real_one "$1"; return; fi
	locate "$1" || { real_one "$1"; return; }
	case $base in .codex-quarantine) return ;; esac
	store=$CODEX_QUARANTINE
	if [ -n "$home" ] && { [ ! -w "$store" ] || [ "$(disk "$folder")" != "$(disk "$store")" ]; }; then
		store=$home/.codex-quarantine # a sandbox, or another file system: who runs the session takes it from there
	fi
	mkdir -p -m 700 "$store" 2>/dev/null
	if [ -L "$store" ] || [ ! -O "$store" ]; then
		refuse "$1" "there is no quarantine that it could be moved into"
		return
	fi
	number=$((number + 1))
	slot=$store/$$-$number
	mkdir -m 700 "$slot" 2>/dev/null || { refuse "$1" "there is no room in the quarantine"; return; }
	printf '%s' "$place" >"$slot/path" 2>/dev/null
	if said=$(LC_ALL=C mv -- "$place" "$slot/item" 2>&1); then
		[ -z "$verbose" ] || echo "removed '$1'"
	else
		rm -f "$slot/path"
		rmdir "$slot" 2>/dev/null
		rmdir "$store" 2>/dev/null
		refuse "$1" "${said##*: }"
	fi
}
disk() {
	df -P "$1" 2>/dev/null | awk 'NR == 2 { print $1 }'
}
real_one() {
	"$real" ${force:+-f} ${recursive:+-r} ${empty:+-d} ${verbose:+-v} -- "$1" || status=$?
}
refuse() {
	echo "$name: cannot remove '$1': $2" >&2
	status=1
}
each move "$@"
exit $status

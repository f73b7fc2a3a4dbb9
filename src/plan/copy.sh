umask 077
P=$F.part
s=$(stat -c %s -- "$P") && h=$(sha256sum <"$P") || { echo "$P can't be read back" >&2; exit 1; }
h=${h%% *}
[ "$s" = "$B" ] && [ "$h" = "$H" ] || {
rm -f -- "$P"
echo "the copy has $s bytes and the sha256 $h, the backup $B and $H: it was damaged on the way, and was removed" >&2
exit 1
}
{ sync -- "$P" 2>/dev/null || sync; } && mv -f -- "$P" "$F" || exit
printf '%s  %s\n' "$h" "$W" >"$F.sha256.part" && mv -f -- "$F.sha256.part" "$F.sha256" || exit
sync -- "$D" 2>/dev/null || sync
echo "copied $F $s"
[ "$K" ] || exit 0
time_of() {
t=${1%"$X"}; t=${t##*-}; [ "${#t}" = 16 ] || return 1
t=${t%Z}; t=${t%T*}${t#*T}
case $t in *[!0-9]*) return 1;; esac
[ "${#t}" = 14 ]
}
is_backup() {
[ -f "$1" ] && [ ! -L "$1" ] && [ "$1" != "$F" ] && time_of "$1" || return 1
is_own "$1"
}
is_own() { case ${1#"$D/$M"} in *-before-*|*-rehearsal-*) return 1;; esac; }
remove() {
[ -e "$1" ] || return 0
if rm -f -- "$1"; then echo "removed $1"; else echo "an old file could not be removed: $1"; fi
}
remove_beside() {
b=$1; shift
for e; do remove "$b$e.sha256"; remove "$b$e"; done
}
for o in "$D/$M"[0-9v]*.part; do
[ -f "$o" ] && [ ! -L "$o" ] && is_own "$o" && [ "$(find "$o" -prune -mtime +0)" ] && remove "$o"
done
for o in "$D/$M"[0-9v]*"$X"; do
is_backup "$o" || continue
mine=$t; newer=0
for i in "$D/$M"[0-9v]*"$X"; do is_backup "$i" && [ "$t" -gt "$mine" ] && newer=$((newer + 1)); done
[ "$newer" -lt "$K" ] || beside remove_beside "${o%"$X"}"
done
true

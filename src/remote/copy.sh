say() { printf '\n%s\t%s\t%s\n' "$N" "$1" "$2"; }
may() {
umask 077
place make || { say refused "$WHY"; return 1; }
[ "$G" ] || return 0
ours "$S/lock" && return 0
whose "$S/lock"; say fenced "$WHY"; return 1
}
read_piece() {
say piece -
dd if="$F" bs="$U" skip="$K" count="$C" 2>/dev/null
say end -
}
begin() {
may || return
m=$( { mkdir -p -- "$D" && rm -f -- "$F.part" && true >"$F.part"; } 2>&1) || { say refused "$m"; return; }
say held 0
}
write_piece() {
may || return
[ -f "$F.part" ] && [ ! -L "$F.part" ] || { say refused "$F.part is gone"; return; }
m=$(LC_ALL=C dd of="$F.part" bs="$U" seek="$K" conv=notrunc 2>&1) || { say refused "${m%%
*}"; return; }
say held "$(stat -c %s -- "$F.part")"
}
discard() {
may || return
rm -f -- "$F.part"; say held 0
}

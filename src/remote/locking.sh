say() { printf '%s\t%s\t%s\n' "$N" "$1" "$2"; }
tell() {
say generation "$t"; say run "$R0"; say holder "$H0"; say controller "$C0"; say process "$I0"; say pid "$P0"; say since "$S0"; say age "$age"; say ttl "$V0"
[ ! -e "$1.released" ] || say released 1
[ ! -e "$1.broken" ] || { read -r v <"$1.broken"; say broken "$v"; }
}
public() {
while read -r k v w; do [ "$k" = Uid: ] && break; done </proc/$$/status
P=${CONVERGE_COMMON:-/var/tmp}/converge-$v
}
publish() {
public
[ -d "$P" ] || mkdir -- "$P" 2>/dev/null
[ -d "$P" ] && [ ! -L "$P" ] && [ -O "$P" ] && chmod 711 "$P" 2>/dev/null || { WHY="$P, where other users of the host see the lock, is no directory of this user's own"; return 1; }
{ cat -- "$1" && printf 'beat %s %s\n' "$u" "$b"; } 2>/dev/null >"$P/new-$$" && chmod 644 "$P/new-$$" && mv -f -- "$P/new-$$" "$P/held-$K" || { rm -f -- "$P/new-$$"; WHY="$P can't be written: is there room on the disk?"; return 1; }
}
withdraw() { public; rm -f -- "$P/held-$K"; }
foreign() { others "$K" && { t=0; tell "$f"; say user "$o"; }; }
close_below() {
for f in "$1"/open-*; do
f=${f##*-}
case $f in *[!0-9]*) continue;; esac
[ "$f" -ge "$2" ] || mv -- "$1/open-$f" "$1/closed-$f"
done
rm -rf -- "$1"/closed-*
}
prune() {
for f in "$D"/[0-9]*; do
k=${f##*/}; k=${k%%.*}
case $k in *[!0-9]*) ;; *) [ "$k" -gt "$((g - 20))" ] || rm -f -- "$f";; esac
done
set -- "$S"/jobs/*/; n=$#
for d; do
d=${d%/}; f=${d##*/}; f=${f%%T*}; o=
case $f in ''|*[!0-9]*) ;; *) [ "$f" -ge "$Z" ] || o=1;; esac
[ "$n" -le "$Y" ] || o=1
n=$((n - 1))
[ "$o" ] && [ -e "$d/pid" ] && { [ -e "$d/status" ] || ! at_work "$d"; } && rm -rf -- "$d"
done
}
take() {
g=$((t + 1))
{ printf 'run %s\nholder %s\ncontroller %s\nprocess %s\npid %s\nsince %s\nttl %s\nbeat %s %s\n' "$R" "$H" "$C" "$I" "$P" "$W" "$V" "$u" "$b" >"$D/new-$$" &&
{ sync -- "$D/new-$$" 2>/dev/null || :; }; } 2>/dev/null || { rm -f -- "$D/new-$$"; say refused "$D can't be written: is there room on the disk?"; return 0; }
ln -- "$D/new-$$" "$D/$g" 2>/dev/null; r=$?
rm -f -- "$D/new-$$"
[ "$r" = 0 ] || return 1
close_below "$D" "$g"; mkdir -- "$D/open-$g" 2>/dev/null
[ -d "$D/open-$g" ] || { : >"$D/$g.released"; say refused "$D can't be written: is there room on the disk?"; return 0; }
publish "$D/$g" || { : >"$D/$g.released"; say refused "$WHY"; return 0; }
if foreign; then : >"$D/$g.released"; withdraw; say held -; return 0; fi
prune 2>/dev/null
say got "$g"
}
acquire() {
[ -d "$D" ] || mkdir -- "$D" 2>/dev/null || [ -d "$D" ] || { say refused "$D can't be made: is there room on the disk?"; return; }
n=0
while [ "$n" -lt 5 ]; do
n=$((n + 1))
top "$D"
read -r u v </proc/uptime; u=${u%.*}; read -r b </proc/sys/kernel/random/boot_id
if [ "$t" != 0 ]; then
record "$D/$t"
if free "$D/$t"; then [ ! -e "$D/$t.broken" ] || tell "$D/$t"
elif [ "$R0" = "$R" ] && [ "$B0" = "$b" ]; then say got "$t"; return
else
tell "$D/$t"
[ "$age" -gt "$V0" ] || { say held -; return; }
say expired -
fi
fi
take && return
done
say refused "others take it again and again"
}
renew() {
ours "$D" || { whose "$D"; say lost "$WHY"; return; }
if [ "$age" -gt "$V0" ] && others "$K"; then say lost "run $R0 of $H0 has it since $S0, as user $o of the host"; return; fi
ours "$D"
publish "$D/$G" || { say refused "$WHY"; return; }
printf '%s %s\n' "$u" "$b" 2>/dev/null >"$D/beat-$$" && mv -f -- "$D/beat-$$" "$D/$G.beat" && say renewed - || say refused "$D can't be written: is there room on the disk?"
}
release() {
ours "$D" || { whose "$D"; say lost "$WHY"; return; }
withdraw
: >"$D/$G.released" && say released - || say refused "$D can't be written"
close_below "$D" "$((G + 1))"
}
show() {
top "$D"
if [ "$t" = 0 ]; then foreign
else record "$D/$t"; tell "$D/$t"; { ! free "$D/$t" && [ "$age" -le "$V0" ]; } || foreign; fi
say shown -
}
break_it() {
top "$D"
[ "$t" != 0 ] && [ "$t" = "$G" ] && record "$D/$t" && ! free "$D/$t" || { say free -; return; }
tell "$D/$t"; withdraw
printf '%s\n' "$X" 2>/dev/null >"$D/broken-$$" && mv -f -- "$D/broken-$$" "$D/$t.broken" && say broke - || say refused "$D can't be written: is there room on the disk?"
close_below "$D" "$((t + 1))"
}
locking() {
umask 077; K=$D
case $A in
acquire) place make;;
*) place || { [ -e "$S" ] || [ -L "$S" ] || { t=0; case $A in show) foreign; say shown -;; break_it) say free -;; *) say lost "the host's own record of it is gone";; esac; return; }; false; };;
esac || { say refused "$WHY"; return; }
D=$S/$D
"$A"
}
locking </dev/null

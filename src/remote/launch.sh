say() { printf '\n%s\t%s\t%s\n' "$N" "$1" "$2"; }
fence() {
[ "$G" ] || return 0
if ours "$S/lock"; then
others lock || return 0
say fenced "run $R0 of $H0 has it since $S0, as user $o of the host"; return 1
fi
whose "$S/lock"; say fenced "$WHY"; return 1
}
prepare() {
[ -d "$S/jobs" ] || mkdir -- "$S/jobs" 2>/dev/null || [ -d "$S/jobs" ] || return 1
mkdir -- "$D" 2>/dev/null || { [ -d "$D" ] && return 2; return 1; }
{ : >"$D/output" && printf '%98s\n' ' ' >"$D/pid.$$" && printf '%98s\n' ' ' >"$D/status.new" &&
printf 'run %s\naction %s\nlimit %s\n' "$R" "$X" "$L" >"$D/about" && cat >"$D/command" <<'@END@'
@COMMAND@@END@
} 2>/dev/null || { rm -rf -- "$D"; return 1; }
}
start() {
set -- /bin/sh -s -- "$D" "$$" "$L" "$T" "$J" "$U" "$M" "$K"
{ setsid -f "$@" <&5 5<&- || {
d=; env --default-signal=INT,QUIT true && d='env --default-signal=INT,QUIT'
s=; command -v setsid && s=setsid
$d $s "$@" <&5 5<&- &
}; } >/dev/null 2>&1 5<<'CONVERGE_RUNNER'
@RUNNER@CONVERGE_RUNNER
}
wait_for_pid() {
n=0; while [ ! -e "$D/pid" ]; do
[ "$n" -lt "$1" ] || return 1
n=$((n + 1)); sleep 0.05 2>/dev/null || sleep 1
done
}
begin() {
n=0
while [ ! -e "$D/pid" ]; do
fence || return 1
prepare
case $? in
0) start; wait_for_pid 200 || { say unsure "it did not come up within 10 s"; return 1; };;
1) say refused "$D can't be written: is there room on the disk?"; return 1;;
*) wait_for_pid 200 || mv -- "$D" "$S/jobs/dead-$$" 2>/dev/null; rm -rf -- "$S/jobs/dead-$$";;
esac
n=$((n + 1)); [ "$n" -lt 5 ] || { say unsure "it did not come up"; return 1; }
done
}
parent() { read -r s </proc/$$/stat; s=${s##*) }; s=${s#* }; q=${s%% *}; }
pump() {
[ "$left" -gt 0 ] || return 0
dd bs=65536 count=$((left / 65536 + 1)) <&3 2>/dev/null
while read -r k v; do [ "$k" = pos: ] && left=$((B + O - v)) && break; done </proc/$$/fdinfo/3
}
told() {
read -r k v <"$D/status"; at=$((B + O - left)); s=$(wc -c <"$D/output"); c=0
[ -e "$D/cut" ] && read -r c <"$D/cut"
if [ "$((c + s))" -gt "$at" ]; then
say omitted "$((c + s - at))"
[ "$s" -le "$E" ] || s=$E
tail -c "$s" <"$D/output"
fi
say ended "$k $v"
}
follow() {
[ -r "$D/output" ] || { say unsure "$D/output can't be read"; return; }
exec 3<"$D/output"
[ "$O" = 0 ] || dd bs="$O" skip=1 count=0 <&3 2>/dev/null
left=$B; n=0
say begin "$O"
parent; pp=$q
while :; do
e=; [ -e "$D/status" ] && e=1
[ "$e" ] || at_work "$D" || [ -e "$D/status" ] || e=2
pump
[ "$e" != 1 ] || { told; return; }
[ "$e" != 2 ] || { say lost -; return; }
parent; [ "$q" = "$pp" ] || return
n=$((n + 1))
if [ "$n" -lt 10 ]; then i=0.02; elif [ "$n" -lt 30 ]; then i=0.1; else i=0.25; fi
sleep "$i" 2>/dev/null || sleep 1
done
}
look() {
if [ ! -e "$D/pid" ]; then say never -
elif [ -e "$D/status" ]; then read -r k v <"$D/status"; say ended "$k $v"
elif at_work "$D"; then say running -
elif [ -e "$D/status" ]; then read -r k v <"$D/status"; say ended "$k $v"
else say lost -; fi
}
launch() {
U=$(umask); umask 077
case $A in start) place make;; *) place;; esac || { if [ "$A" != start ] && [ ! -e "$S" ]; then say never -; else say refused "$WHY"; fi; return; }
D=$S/jobs/$J; T=
[ ! "$G" ] || T=$S/lock/open-$G
case $A in
look) look; return;;
start) [ -e "$D/pid" ] || begin || return;;
*) [ -e "$D/pid" ] || { say never -; return; };;
esac
follow
}
launch </dev/null

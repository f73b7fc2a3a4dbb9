finish() {
n=0
until printf '%s' "$1" 2>/dev/null 1<>"$D/status.new" && mv -f -- "$D/status.new" "$D/status"; do
n=$((n + 1)); [ "$n" -lt 600 ] || exit; sleep 1
done
rm -f -- "$D/pid.$C" "$D/group" "$D/late"
exit
}
below() {
l=" $1 "; o=
while [ "$l" != "$o" ]; do o=$l
for f in /proc/[0-9]*/stat; do
read -r s 2>/dev/null <"$f" || continue
p=${s%% *}; [ "$p" = "$2" ] && continue
s=${s##*) }; s=${s#* }; s=${s%% *}
case $l in *" $p "*) ;; *" $s "*) l="$l$p ";; esac
done
done
l=${l#" $1 "}
}
tell() {
if [ "$own" ]; then read -r g <"$D/group" && kill -s "$1" -- "-$g"; else below "$$" "$me"; [ "$l" ] && kill -s "$1" $l; fi 2>/dev/null
}
watch() {
read -r me v </proc/self/stat; i=0
read -r u v </proc/uptime; end=$((${u%.*} + L))
while read -r u v </proc/uptime && [ "${u%.*}" -lt "$end" ]; do
sleep 1
alive "$$" "$t" || at_work "$D" || exit
i=$((i + 1)); [ "$i" -lt 5 ] && continue
i=0; s=$(wc -c <"$D/output"); [ "$s" -gt "$M" ] || continue
v=0; [ -e "$D/cut" ] && read -r v <"$D/cut"
echo "$((v + s))" >"$D/cut"; : >"$D/output"
done
: >"$D/late"; tell TERM; i=0
while [ "$i" -lt "$K" ] && tell 0; do sleep 1; i=$((i + 1)); done
tell KILL
}
run() {
D=$1; C=$2; L=$3; T=$4; J=$5; U=$6; M=$7; K=$8
read -r s </proc/$$/stat; set -f; set -- ${s##*) }; set +f; t=${20}
read -r b </proc/sys/kernel/random/boot_id
[ -e "$D/pid.$C" ] && printf '%s %s %s ' "$$" "$t" "$b" 1<>"$D/pid.$C" && ln -- "$D/pid.$C" "$D/pid" || exit
[ ! "$T" ] || mkdir -- "$T/$J" || finish fenced
trap : TERM HUP INT QUIT
own=; command -v setsid >/dev/null && own=setsid
watch & w=$!
umask "$U"
$own /bin/sh -c 'echo "$$" >"$1/group"; . "$1/command"' converge-job "$D" </dev/null >>"$D/output" 2>&1
r=$?
umask 077
[ -e "$D/late" ] && { wait "$w"; finish "late $L"; }
kill "$w"
finish "exit $r"
}
run "$@" >/dev/null 2>&1

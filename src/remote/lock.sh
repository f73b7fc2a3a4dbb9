top() {
t=0
for f in "$1"/[0-9]*; do
f=${f##*/}
case $f in *[!0-9]*) ;; *) [ "$f" -gt "$t" ] && t=$f;; esac
done
}
record() {
R0=; H0=; I0=; C0=; P0=; S0=; V0=0; U0=0; B0=
while read -r k v; do
case $k in run) R0=$v;; holder) H0=$v;; controller) C0=$v;; process) I0=$v;; pid) P0=$v;; since) S0=$v;; ttl) V0=$v;; beat) U0=${v%% *}; B0=${v##* };; esac
done <"$1"
[ ! -s "$1.beat" ] || read -r U0 B0 <"$1.beat"
n0=; case $U0 in ''|*[!0-9]*) U0=0 n0=1;; esac
case $V0 in ''|*[!0-9]*) V0=0 n0=1;; esac
read -r u v </proc/uptime; u=${u%.*}; read -r b </proc/sys/kernel/random/boot_id
age=$u; [ "$B0" != "$b" ] || age=$((u - U0))
}
others() {
for f in "${CONVERGE_COMMON:-/var/tmp}"/converge-[0-9]*/held-"$1"; do
[ -f "$f" ] && [ ! -L "$f" ] && [ ! -O "$f" ] && record "$f" && [ "$R0" ] && [ ! "$n0" ] && [ "$age" -le "$V0" ] || continue
o=${f%/*}; o=${o##*-}; return 0
done
return 1
}
free() { [ -e "$1.released" ] || [ -e "$1.broken" ]; }
ours() {
top "$1"
[ "$t" = "$G" ] && [ "$t" != 0 ] && record "$1/$t" && [ "$R0" = "$R" ] && ! free "$1/$t" && [ "$B0" = "$b" ]
}
whose() {
if [ "$t" = 0 ]; then WHY="nobody holds it any more"
elif [ "$t" != "$G" ]; then record "$1/$t"; WHY="run $R0 of $H0 has it since $S0 (generation $t, this run had $G)"
elif [ -e "$1/$t.broken" ]; then read -r WHY <"$1/$t.broken"; WHY="it was broken by $WHY"
elif [ -e "$1/$t.released" ]; then WHY="it was released"
elif [ "$R0" != "$R" ]; then WHY="run $R0 of $H0 has it since $S0"
else WHY="the host was restarted in the middle of the run"; fi
}

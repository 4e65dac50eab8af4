#!/usr/bin/env bash
# The MPC engine beside MP-SPDZ: four works, in turns on this machine, one table.
#
#   tests/bench/beside_mp_spdz.sh MP_SPDZ_DIR [ROUNDS]
#
# MP_SPDZ_DIR is a checkout of github.com/data61/MP-SPDZ with
#   echo 'MY_CFLAGS = -DINSECURE -DFEWER_RINGS' >>CONFIG.mine
#   make rep4-ring-party.x replicated-ring-party.x && Scripts/setup-ssl.sh 4
# (it wants -DINSECURE for links without TLS; other rings than 2^64 only take time to compile).
# rep4-ring (four parties, one malicious, abort) and ring (three parties, semi-honest) compute
# the programs in mp_spdz/, compiled with all that MP-SPDZ suggests for the protocol (-E); neither
# side encrypts its links. WAXSEAL names the program to measure, by default this tree's launcher. A
# wrong result is an error on both sides. docs/benchmarks.md says what is compared.
set -euo pipefail

fail() { printf '%s\n' "beside_mp_spdz: $*" >&2; exit 1; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
waxseal=${WAXSEAL:-$root/waxseal}
works=(products gelu softmax matmul)
(($# >= 1 && $# <= 2)) || fail "usage: $0 MP_SPDZ_DIR [ROUNDS]"
peer=$(cd "$1" 2>/dev/null && pwd) || fail "there is no folder $1"
rounds=${2:-3}

for file in compile.py rep4-ring-party.x replicated-ring-party.x Player-Data/P3.pem; do
  [ -e "$peer/$file" ] || fail "$peer/$file is missing: build MP-SPDZ as the head of this script says"
done
command -v python3 >/dev/null || fail "MP-SPDZ's compiler and the reading of JSON need python3"
[ -x "$waxseal" ] || fail "there is no program $waxseal"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$peer"

for protocol in rep4-ring ring; do
  for name in "${works[@]}"; do
    source="$root/tests/bench/mp_spdz/$name.mpc"
    [ "Programs/Schedules/waxseal-$protocol-$name.sch" -nt "$source" ] && continue
    cp "$source" "$work/waxseal-$protocol-$name.mpc"
    python3 compile.py -E "$protocol" "$work/waxseal-$protocol-$name.mpc" >"$work/log" 2>&1 ||
      { tail -n 5 "$work/log" >&2; fail "MP-SPDZ does not compile $name for $protocol"; }
  done
done

# theirs WORK PROTOCOL WHO
theirs() {
  TIMEFORMAT='cpu %U %S'
  { time PORT=27300 "Scripts/$2.sh" "waxseal-$2-$1" --unencrypted >"$work/log" 2>&1; } 2>"$work/cpu" ||
    { tail -n 5 "$work/log" >&2; fail "MP-SPDZ failed on $1"; }
  python3 - "$1" "$3" "$work/log" "$work/cpu" <<'END'
import re, sys
work, who, log, cpu = sys.argv[1], sys.argv[2], open(sys.argv[3]).read(), open(sys.argv[4]).read().split()
value, exact = map(float, re.search(r"^value (\S+) of (\S+)", log, re.M).groups())
if abs(value - exact) > 0.02:
    sys.exit(f"MP-SPDZ computed {value} in place of {exact}")
seconds, rounds = re.search(r"^Time1 = (\S+) seconds \(.*?(\d+) rounds", log, re.M).groups()
megabytes = float(re.search(r"^Global data sent = (\S+) MB", log, re.M).group(1))
print(f"| {work} | MP-SPDZ, {who} | | | {float(seconds):.3f} | {sum(map(float, cpu[1:])):.2f} | {megabytes:.1f} | {rounds} |")
END
}

ours() {
  "$waxseal" bench mpc --work "$1" --n 4 --json >"$work/report" 2>"$work/log" ||
    { tail -n 5 "$work/log" >&2; fail "waxseal bench mpc failed on $1"; }
  python3 - "$1" "$work/report" <<'END'
import json, sys
r = json.load(open(sys.argv[2]))
print("| {} | Waxseal | {online_s:.3f} | {preprocessing_s:.3f} | {total_s:.3f} | {:.2f} | {:.1f} | {rounds} + {layers_preprocessing} layers |".format(
    sys.argv[1], r["online_cpu_s"] + r["preprocessing_cpu_s"], r["total_bytes"] / 1e6, **r))
END
}

printf '%s\n' "$(nproc) cores of $(sed -n 's/^model name.*: //p;T;q' /proc/cpuinfo), load $(cut -d' ' -f1 /proc/loadavg), $(git -C "$root" log -1 --format=%h), MP-SPDZ $(git log -1 --format=%h)"
printf '%s\n' "| work | system | s online | s preprocessing | s in all | CPU s of all parties | MB of all parties | rounds |" "|---|---|---|---|---|---|---|---|"
for ((round = 0; round < rounds; round++)); do
  for name in "${works[@]}"; do
    ours "$name"
    theirs "$name" rep4-ring "4 parties, malicious with abort"
    theirs "$name" ring "3 parties, semi-honest"
  done
done

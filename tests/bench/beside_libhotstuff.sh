#!/usr/bin/env bash
# The ledger beside libhotstuff: four validators each, in turns on this machine, one table.
#
#   tests/bench/beside_libhotstuff.sh LIBHOTSTUFF_DIR [ROUNDS] [SECONDS]
#
# LIBHOTSTUFF_DIR is a checkout of github.com/hot-stuff/libhotstuff, built in place by
#   cmake . -DCMAKE_BUILD_TYPE=Release \
#     -DCMAKE_CXX_FLAGS='-DHOTSTUFF_ENABLE_BENCHMARK -DHOTSTUFF_CMD_REQSIZE=504'
#   make hotstuff-app hotstuff-client hotstuff-keygen hotstuff-tls-keygen
# (504 bytes and two numbers are a command of 512). WAXSEAL names the program to measure, by default
# this tree's launcher; OPAQUE_RATE and SIGNED_RATE are what ours is offered a second at full load.
#
# libhotstuff's clients keep a number of commands open (closed loop) and wait for f + 1 replicas;
# ours are offered at fixed instants (open loop), and both times are printed: read executed from one
# validator's block, and finalized by n - f signatures. docs/benchmarks.md says what is compared.
set -euo pipefail

fail() { printf '%s\n' "beside_libhotstuff: $*" >&2; exit 1; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
waxseal=${WAXSEAL:-$root/waxseal}
opaque_rate=${OPAQUE_RATE:-24000}
signed_rate=${SIGNED_RATE:-5400}
(($# >= 1 && $# <= 3)) || fail "usage: $0 LIBHOTSTUFF_DIR [ROUNDS] [SECONDS]"
peer=$(cd "$1" 2>/dev/null && pwd) || fail "there is no folder $1"
rounds=${2:-3}
seconds=${3:-15}
warmup=5

for program in examples/hotstuff-app examples/hotstuff-client hotstuff-keygen hotstuff-tls-keygen; do
  [ -x "$peer/$program" ] || fail "$peer/$program is missing: build libhotstuff as the head of this script says"
done
for flag in HOTSTUFF_ENABLE_BENCHMARK HOTSTUFF_CMD_REQSIZE=504; do
  grep -q "^CMAKE_CXX_FLAGS:.*$flag" "$peer/CMakeCache.txt" ||
    fail "libhotstuff was built without -D$flag: build it as the head of this script says"
done
command -v python3 >/dev/null || fail "libhotstuff's gen_conf.py and the reading of JSON need python3"
[ -x "$waxseal" ] || fail "there is no program $waxseal"

work=$(mktemp -d)
running=()
stop() {
  [ ${#running[@]} -eq 0 ] || { kill "${running[@]}"; wait "${running[@]}"; } 2>/dev/null || true
  running=()
}
trap 'stop; rm -rf "$work"' EXIT

# listens PORT: waits for it, a minute at most.
listens() {
  local tries
  for ((tries = 0; tries < 600; tries++)); do
    (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.1
  done
  return 1
}

# row SYSTEM LOAD THROUGHPUT KNOWN FINALIZED CPU
row() { printf '| %s | %s | %s | %s | %s | %s |\n' "$@"; }

# libhotstuff LOAD BLOCK CLIENTS OPEN [FLAG]: a fresh network, CLIENTS with OPEN commands each.
libhotstuff() {
  local load=$1 block=$2 clients=$3 open=$4 pid i ticks=0
  shift 4
  rm -rf "$work"
  mkdir "$work" && cd "$work"
  printf '127.0.0.1\n%.0s' 1 2 3 4 >ips
  python3 "$peer/scripts/gen_conf.py" --ips ips --prefix hotstuff --block-size "$block" --pport 27100 \
    --cport 27200 --keygen "$peer/hotstuff-keygen" --tls-keygen "$peer/hotstuff-tls-keygen"
  for i in 0 1 2 3; do  # Its promises nest deeply: its own demo lifts the limit, too.
    (ulimit -s unlimited && exec "$peer/examples/hotstuff-app" --conf "hotstuff-sec$i.conf" "$@") >"replica$i" 2>&1 &
    running+=($!)
  done
  for i in 0 1 2 3; do listens $((27200 + i)) || fail "a replica of libhotstuff does not listen: $(tail -n 3 "replica$i")"; done
  sleep 2  # They find each other.
  for ((i = 0; i < clients; i++)); do
    "$peer/examples/hotstuff-client" --idx 0 --cid "$i" --iter -1 --max-async "$open" >/dev/null 2>"client$i" &
    running+=($!)
  done
  sleep $((warmup + seconds + 1))
  for i in 0 1 2 3; do
    pid=${running[i]}
    kill -0 "$pid" 2>/dev/null || { tail -n 5 "replica$i" >&2; fail "a replica of libhotstuff died (its output is above)"; }
    ticks=$((ticks + $(awk '{ print $14 + $15 }' "/proc/$pid/stat")))
  done
  kill "${running[@]:4}"  # Clients write their times down when they end; replicas go after them.
  wait "${running[@]:4}" || true
  stop
  # "YYYY-MM-DD HH:MM:SS.uuuuuu [hotstuff info] LATENCY", a line for each command answered.
  cat client* | awk '/\[hotstuff info\] [0-9.]+$/ { split($2, t, ":")
      print t[1] * 3600 + t[2] * 60 + t[3], $NF }' | sort -n >answers
  [ -s answers ] || fail "libhotstuff answered nothing: $(tail -n 3 client0)"
  awk -v from="$warmup" -v to=$((warmup + seconds)) 'NR == 1 { start = $1 }
      $1 - start >= from && $1 - start < to { print 1000 * $2 }' answers | sort -n >latencies
  local count known
  count=$(wc -l <latencies)
  [ "$count" -gt 0 ] || fail "libhotstuff answered nothing after its first $warmup seconds"
  known=$(awk -v n="$count" 'NR == int(n * 0.5) + 1 { p50 = $1 } NR == int(n * 0.99) + 1 { p99 = $1 }
      END { printf "%.0f, %.0f", p50, p99 }' latencies)
  row "libhotstuff, blocks of $block${1:+, without TLS}" "$load" $((count / seconds)) "$known" "" \
    $((ticks * (1000000 / $(getconf CLK_TCK)) / 4 / $(wc -l <answers)))
  cd "$root"
}

# ours NAME RATE [OPTION...]
ours() {
  local name=$1 rate=$2
  shift 2
  "$waxseal" bench ledger --n 4 --tx-bytes 512 --rate "$rate" --seconds "$seconds" --warmup "$warmup" \
    "$@" --json 2>"$work/errors" >"$work/report" || { cat "$work/errors" >&2; fail "waxseal bench ledger failed"; }
  python3 - "$name" "$work/report" <<'END'
import json, sys
report = json.load(open(sys.argv[2]))
times = lambda kind: "{p50_ms:.0f}, {p99_ms:.0f}".format(**report[kind])
print("| Waxseal, {} | {:.0f} a second, {:.0f} of them missed | {:.0f} | {} | {} | {:.0f} |".format(
    sys.argv[1], report["offered_per_second"], report["missed_per_second"], report["executed_per_second"],
    times("executed"), times("finalized"), report["each_validator"]["cpu_us_per_transaction"]))
END
}

printf '%s\n' "$(nproc) cores of $(sed -n 's/^model name.*: //p;T;q' /proc/cpuinfo), load $(cut -d' ' -f1 /proc/loadavg), $(git -C "$root" log -1 --format=%h), $seconds s each after $warmup s"
printf '%s\n' "| four validators | load | a second | p50, p99 ms until known | p50, p99 ms finalized | CPU us a transaction and validator |" "|---|---|---|---|---|---|"
for ((round = 0; round < rounds; round++)); do
  libhotstuff "4 x 800 open" 400 4 800 --notls
  ours "opaque, no fsync" "$opaque_rate" --signed off --fsync off
  libhotstuff "4 x 800 open" 400 4 800
  ours "signed, fsync" "$signed_rate" --signed on --fsync on
  libhotstuff "8 open" 1 1 8
  ours "signed, fsync" 700 --signed on --fsync on
done

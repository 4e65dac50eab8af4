#!/usr/bin/env python3
"""Four validators whose links delay every packet: root and Linux needed.

    tests/bench/slow_links.py WAXSEAL [DELAY_MS ...]            private questions
    tests/bench/slow_links.py WAXSEAL --ledger [DELAY_MS ...]   the ledger under a light load

Each validator runs in a network namespace of its own, with one TUN interface; this process is the
only way between them and hands every packet on DELAY_MS after it came (the kernel's netem does the
same where it is built in). For each delay, 0 and 50 without arguments: a new network, the shipped
model, a few questions; printed are the rounds and seconds of the online phase as the validators
tell them ("effort" of a request, the median of the questions, the slowest member), and the forecast:
the seconds without delay and a delay for each round. With --ledger: from when a transaction was due
to its execution at one validator, as one reads it there, beside the simulator's figure for the
commit rule (`waxseal sim ledger --latency-ms`); the client's own links do not delay.
"""

import collections
import contextlib
import fcntl
import json
import os
import selectors
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VALIDATORS = 4
QUESTIONS = 5
MTU = 60000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def address(i):
    return f"10.77.0.{i + 1}"


def run(*words, **options):
    return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


class Links:
    """Namespaces 0 .. count - 1 and the delay between any two of them, but for `near`."""

    def __init__(self, count, delay_s, near=None):
        self.names = [f"slow{os.getpid()}-{i}" for i in range(count)]
        self.delay_s = delay_s
        self.near = near
        self.tuns = []
        self.stopping = False
        for i, name in enumerate(self.names):
            run("ip", "netns", "add", name)
            tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            device = f"wx{os.getpid() % 10000}{i}"
            fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TUN | IFF_NO_PI))
            self.tuns.append(tun)
            run("ip", "link", "set", device, "netns", name)
            for command in (f"addr add {address(i)}/24 dev {device}", f"link set {device} mtu {MTU} up",
                            f"link set {device} txqueuelen 10000", "link set lo up"):
                run("ip", "-n", name, *command.split())
        self.thread = threading.Thread(target=self.carry)
        self.thread.start()

    def carry(self):
        ready = selectors.DefaultSelector()
        for tun in self.tuns:
            ready.register(tun, selectors.EVENT_READ)
        waiting = collections.deque()  # All wait equally long: in order of time.

        def hand_on(packet):
            to = packet[19] - 1
            if packet[16:19] == bytes((10, 77, 0)) and to < len(self.tuns):
                try:
                    os.write(self.tuns[to], packet)
                except OSError:
                    pass  # As a full queue of a router.

        while not self.stopping:
            wait = max(0, waiting[0][0] - time.monotonic()) if waiting else 0.1
            for key, _ in ready.select(wait):
                for _ in range(64):
                    try:
                        packet = os.read(key.fd, MTU + 100)
                    except BlockingIOError:
                        break
                    if packet[0] >> 4 != 4:
                        continue
                    if self.near in (packet[15] - 1, packet[19] - 1):
                        hand_on(packet)
                    else:
                        waiting.append((time.monotonic() + self.delay_s, packet))
            while waiting and waiting[0][0] <= time.monotonic():
                hand_on(waiting.popleft()[1])

    def inside(self, i, *words, **options):
        return run("ip", "netns", "exec", self.names[i], *words, **options)

    def start(self, i, *words, **options):
        return subprocess.Popen(("ip", "netns", "exec", self.names[i]) + words, **options)

    def close(self):
        self.stopping = True
        self.thread.join()
        for tun in self.tuns:
            os.close(tun)
        for name in self.names:
            run("ip", "netns", "del", name)


@contextlib.contextmanager
def network(waxseal, delay_ms, spec, near=None):
    """The links, the network's folder and the client's namespace."""
    links = Links(VALIDATORS + 1, delay_ms / 1000, near)
    directory = tempfile.mkdtemp(prefix="slow-links-")
    client = VALIDATORS
    nodes = []
    try:
        links.inside(client, waxseal, "localnet", "create", "--dir", directory, "--hosts",
                     ",".join(address(i) for i in range(VALIDATORS)), "--listen", "0.0.0.0",
                     "--base-port", "30000", "--spec", f"{ROOT}/chain-spec/{spec}")
        homes = sorted(name for name in os.listdir(directory) if name.startswith("node"))
        for i, home in enumerate(homes):
            with open(f"{directory}/{home}/log", "w") as log:
                nodes.append(links.start(i, waxseal, "start", "--home", f"{directory}/{home}",
                                         stdout=log, stderr=log))
        time.sleep(3)
        yield links, directory, client
    finally:
        for node in nodes:
            node.terminate()
        for node in nodes:
            node.wait()
        links.close()
        shutil.rmtree(directory)


def measure_ledger(waxseal, delay_ms):
    with network(waxseal, delay_ms, "bench.json", near=VALIDATORS) as (links, directory, client):
        answer = json.loads(links.inside(
            client, waxseal, "bench", "ledger", "--network", directory, "--signed", "off", "--rate",
            "200", "--seconds", "20", "--json", stderr=subprocess.DEVNULL))
    return answer["executed"], answer["missed_per_second"]


def measure(waxseal, delay_ms):
    with network(waxseal, delay_ms, "devnet.json") as (links, directory, client):
        links.inside(client, waxseal, "model", "register", ROOT + "/tests/models/sentiment", "--dir",
                     directory, "--name", "sentiment", "--tokens", "16", "--pool", "2")
        seconds, rounds, answered = [], 0, []
        for _ in range(QUESTIONS):
            links.inside(client, waxseal, "pool", "fill", "--dir", directory,
                         stderr=subprocess.DEVNULL)
            answer = json.loads(links.inside(client, waxseal, "ask", "--model", "sentiment", "--text",
                                             "a warm and funny film", "--dir", directory, "--json"))
            answered.append(answer["seconds"])
            efforts = []
            for i in range(VALIDATORS):
                record = links.inside(client, "curl", "-s", "-H", "Content-Type: application/json",
                                      "-d", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "request",
                                                        "params": {"id": answer["request"]}}),
                                      f"http://{address(i)}:{30000 + 10 * i}/")
                effort = json.loads(record)["result"].get("effort")
                if effort:
                    efforts.append(effort)
            seconds.append(max(effort["seconds"] for effort in efforts))
            rounds = max(effort["rounds"] for effort in efforts)
        return statistics.median(seconds), rounds, statistics.median(answered)


def main():
    waxseal = os.path.abspath(sys.argv[1])
    words = sys.argv[2:]
    ledger = "--ledger" in words
    delays = [float(word) for word in words if word != "--ledger"] or [0.0, 50.0]
    for delay_ms in delays if ledger else []:
        executed, missed = measure_ledger(waxseal, delay_ms)
        print(f"{delay_ms:g} ms: executed after {executed['mean_ms']} ms in the mean, p50 "
              f"{executed['p50_ms']}, p99 {executed['p99_ms']}; {executed['count']} transactions, "
              f"{missed} a second missed", flush=True)
    if ledger:
        return
    base = None
    for delay_ms in delays:
        seconds, rounds, answered = measure(waxseal, delay_ms)
        base = seconds if base is None else base
        forecast = base + rounds * (delay_ms - delays[0]) / 1000
        print(f"{delay_ms:g} ms: {rounds} rounds, {seconds:.2f} s online, forecast {forecast:.2f} s, "
              f"{seconds / forecast:.2f} of it; {answered:.2f} s from submission to proved result",
              flush=True)


if __name__ == "__main__":
    main()

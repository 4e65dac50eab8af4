#!/usr/bin/env python3
"""Writes masked_wire.txt from the model beside it.

    make_vectors.py [other_model.py] > masked_wire.txt

With another executable model of the protocol (a Committee with `factor`, `width`, from_subsets,
shift and interpolate, a Wire, and a function `product`), every vector is made by both and must be
the same. The file's lines are `kind arguments -> results`; lists are joined by commas.
"""
import importlib.util
import math
import random
import sys

import model
from model import OFFSET, P


def load(path):
    spec = importlib.util.spec_from_file_location("other_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


OTHER = load(sys.argv[1]) if len(sys.argv) > 1 else None


def agree(ours, others):
    """`ours`, after a look at what the other model says."""
    if OTHER is not None:
        theirs = others()
        assert ours == theirs, (ours, theirs)
    return ours


def text(value):
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def line(kind, arguments, results):
    print(kind, *map(text, arguments), "->", *map(text, results))


def sharing(committee, rng, value):
    coefficients = [value] + [rng.randrange(P) for _ in range(committee.t)]
    return [sum(c * i**k for k, c in enumerate(coefficients)) % P for i in committee.ids]


def committee_vectors(n, rng):
    committee = model.Committee(n)
    other = OTHER and OTHER.Committee(n)
    sets = len(committee.subsets)
    line("width", [n], [agree(committee.width, lambda: other.width)])
    for a in range(0, sets, max(1, sets // 30)):
        line("factor", [n, a], [agree(committee.factor[a], lambda: other.factor[a])])
    for _ in range(2 if n > 7 else 5):
        parts = [rng.getrandbits(committee.width) for _ in range(sets)]
        shift = rng.choice([0, 16, 40])
        shifted = [v >> shift for v in parts]
        shares = agree(committee.from_subsets(shifted), lambda: other.from_subsets(shifted))
        line("share_of", [n, shift, parts], [shares])
    for f in [0, 1, 2, 8, 16, 31, 58, 59, 60, 75]:
        for _ in range(3):
            y = rng.randrange(-(2**59) + 1, 2**59)
            c = y + OFFSET + sum(rng.getrandbits(committee.width) for _ in range(sets))
            line("shift", [n, f, c], [agree(committee.shift(c, f), lambda: other.shift(c, f))])
    for _ in range(5):
        # Re-sharing with truncation, from given parts: the wire, and how far it is off.
        f = rng.choice([8, 16, 24])
        y = rng.randrange(-(2**50), 2**50)
        r = [rng.getrandbits(committee.width) for _ in range(sets)]
        parts = [v >> f for v in r]
        share = sharing(committee, rng, y)
        opened = y + OFFSET + sum(r)
        messages = [(s + OFFSET + q) % P for s, q in zip(share, committee.from_subsets(r))]
        assert committee.decode(dict(zip(committee.ids, messages)))[0] == opened

        def remask():
            wire = other.remask(share, f, (other.from_subsets(r), parts))
            return wire.m, wire.share

        m = committee.shift(opened, f)
        shares = [(m - l) % P for l in committee.from_subsets(parts)]
        agree((m, shares), remask)
        assert abs((m - sum(parts)) - y / 2**f) <= sets / 2 + 1
        line("remask", [n, f, opened, r], [m, shares])
    for _ in range(5):
        x, y = (rng.randrange(-(2**30), 2**30) for _ in range(2))
        lx, ly = ([rng.getrandbits(committee.width) for _ in range(sets)] for _ in range(2))
        mx, my = x + sum(lx), y + sum(ly)
        lxly = sharing(committee, rng, sum(lx) * sum(ly))
        shares = [
            model.product(mx, my, *masks)
            for masks in zip(committee.from_subsets(lx), committee.from_subsets(ly), lxly)
        ]
        agree(
            shares, lambda: OTHER.product(OTHER.Wire(other, mx, lx), OTHER.Wire(other, my, ly), lxly)
        )
        assert committee.decode(dict(zip(committee.ids, shares))) == (x * y % P, [])
        line("product", [n, mx, my, committee.from_subsets(lx), committee.from_subsets(ly), lxly],
             [shares])
    for liars in range(committee.t + 1):
        for missing in range(committee.t + 1):
            value = rng.randrange(P)
            got = dict(zip(committee.ids, sharing(committee, rng, value)))
            for i in rng.sample(committee.ids, liars):
                got[i] = rng.choice([(got[i] + 1) % P, rng.randrange(P)])
            for i in rng.sample(committee.ids, missing):
                del got[i]
            result = committee.decode(got)
            if result is not None and missing == 0:
                agree(result, lambda: other_decode(other, got))
            shares = [got.get(i, "none") for i in committee.ids]
            line("decode", [n, shares], [result[0], result[1] or "none"] if result else ["none", "none"])


def other_decode(other, got):
    """The other model's opening takes all shares, lies among them by an offset."""
    truth, wrong = model.Committee(other.n).decode(got)
    points = [(i, got[i]) for i in other.ids if i not in wrong]
    assert other.interpolate(points) == truth
    return truth, wrong


def trig_vectors(rng):
    cases = [(0, 1, 40), (1, 4, 40), (2, 4, 20), (3, 4, 1), (-1, 8, 40), (5, 12, 30)]
    for _ in range(60):
        period = rng.randrange(1, 1 << rng.randrange(1, 63))
        cases.append((rng.randrange(-(2**126), 2**126), period, rng.randrange(41)))
    for x, period, bits in cases:
        cos, sin = model.integer_cos_sin(x, period, bits)
        angle = 2 * math.pi * (x % period) / period
        assert abs(cos - math.cos(angle) * 2**bits) < 0.51 and abs(sin - math.sin(angle) * 2**bits) < 0.51
        line("trig", [x, period, bits], [cos, sin])


if __name__ == "__main__":
    print("# Made by make_vectors.py.")
    random_source = random.Random(7)
    for size in (4, 7, 10):
        committee_vectors(size, random_source)
    trig_vectors(random_source)

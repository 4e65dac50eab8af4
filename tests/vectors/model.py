"""The masked-wire protocol on Python integers: a model to take test vectors from.

All parties in one process, one list entry a party. Not secure, not fast. [x] is a Shamir sharing of
degree t over F_p, party i's point is i (from 1); a wire is x = M - L, M public, L shared and known
to nobody. Sets are the complements of the t-subsets of parties, in lexicographic order of those.
"""
from itertools import combinations

P = 2**127 - 1
OFFSET = 2**59  # Keeps opened values positive.


class Committee:
    def __init__(self, n):
        self.n, self.t = n, (n - 1) // 3
        self.ids = list(range(1, n + 1))
        self.subsets = [
            frozenset(self.ids) - frozenset(out) for out in combinations(self.ids, self.t)
        ]
        # Bits of one part of a mask: the sum of all parts and a value stay below p.
        self.width = 125 - (len(self.subsets) - 1).bit_length()
        # factor[a][i - 1]: at i, the polynomial of degree t that is 1 at 0 and 0 outside set a.
        self.factor = []
        for a in self.subsets:
            outside = [j for j in self.ids if j not in a]
            self.factor.append([lagrange_at(outside, i) for i in self.ids])

    def from_subsets(self, parts):
        """The sharing of sum(parts), parts[a] known to the members of set a."""
        return [sum(v * f[i] for v, f in zip(parts, self.factor)) % P for i in range(self.n)]

    def shift(self, c, f):
        """M for an opened c: drops f bits, the offset, and the average of the parts' carries."""
        if f == 0:
            return c - OFFSET
        count = len(self.subsets)
        if count % 2 == 0:
            c += 1 << (f - 1)
        return (c >> f) - (OFFSET >> f) - count // 2

    def decode(self, got):
        """The value on whose polynomial of degree t at least 2t + 1 of the shares {party: share}
        lie, and the parties whose shares do not; nothing when there is none."""
        for base in combinations(sorted(got), self.t + 1):
            points = [(i, got[i]) for i in base]
            wrong = [i for i in sorted(got) if interpolate(points, i) != got[i]]
            if len(got) - len(wrong) >= 2 * self.t + 1:
                return interpolate(points, 0), wrong
        return None


def lagrange_at(zeros, x):
    """At x, the polynomial that is 1 at 0 and 0 at `zeros`."""
    value = 1
    for j in zeros:
        value = value * (j - x) * pow(j, P - 2, P) % P
    return value


def interpolate(points, at):
    total = 0
    for i, y in points:
        term = y
        for j, _ in points:
            if j != i:
                term = term * (at - j) * pow(i - j, P - 2, P) % P
        total += term
    return total % P


def product(mx, my, lx, ly, lxly):
    """One party's share of x * y from its shares of the masks and of their product."""
    return (mx * my - mx * ly - my * lx + lxly) % P


# Cosine and sine of 2 pi x / period, rounded to `bits` fraction bits: integers only, so that every
# machine gets the same. Angles and values below are in units of 2^-62.
TWO_PI = 7244019458077122842  # round(2 pi 2^60)
TERMS = 9


def taylor(first):
    """(-1)^i / (2i + first)!, rounded."""
    coefficients = []
    for i in range(TERMS):
        factorial = 1
        for k in range(2, 2 * i + first + 1):
            factorial *= k
        coefficients.append((-1) ** i * ((2**62 + factorial // 2) // factorial))
    return coefficients


def horner(coefficients, square):
    total = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = (total * square >> 62) + c
    return total


def integer_cos_sin(x, period, bits):
    turn = (x % period << 64) // period
    quarter = (turn + 2**61 >> 62) % 4
    left = turn - (quarter << 62)  # The rest, in [-1/8, 1/8) of a turn.
    if left >= 2**63:
        left -= 2**64
    angle = left * TWO_PI >> 62
    square = angle * angle >> 62
    cos = horner(taylor(0), square)
    sin = angle * horner(taylor(1), square) >> 62
    for _ in range(quarter):
        cos, sin = -sin, cos
    half = 2 ** (61 - bits)
    return cos + half >> (62 - bits), sin + half >> (62 - bits)

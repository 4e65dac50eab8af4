#!/usr/bin/env python3
"""Known answers for proto/crypto, computed apart from it: plain Python, textbook formulas.

The curve, the polynomial, the Merkle tree and HKDF are written out here from SEC 2, Shamir (1979),
RFC 6962 and RFC 5869; AES comes from the `cryptography` package. Prints the vectors that
tests/unit/proto/crypto/vectors_test.cc holds.
"""
import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def mul(k, a):
    result = None
    while k:
        if k & 1:
            result = add(result, a)
        a, k = add(a, a), k >> 1
    return result


def compress(a):
    return bytes([2 + (a[1] & 1)]) + a[0].to_bytes(32, "big")


def lift(x):
    """The point with this x and an even y, if there is one."""
    if x >= P:
        return None
    y = pow(x**3 + 7, (P + 1) // 4, P)
    if y * y % P != (x**3 + 7) % P:
        return None
    return x, y if y % 2 == 0 else P - y


def sha(data):
    return hashlib.sha256(data).digest()


def tagged(tag, *parts):
    return sha(sha(tag.encode()) * 2 + b"".join(parts))


def u64(value):
    return value.to_bytes(8, "little")


def merkle(leaves):
    if not leaves:
        return tagged("waxseal/merkle/empty")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return tagged("waxseal/merkle/node", merkle(leaves[:split]), merkle(leaves[split:]))


def leaf(data):
    return tagged("waxseal/merkle/leaf", data)


def main():
    seed = bytes(range(32))
    name = bytes(range(32, 64))
    print("hash       ", tagged("waxseal/test", b"abc", u64(0x0102030405060708)).hex())

    for count in (0, 1, 2, 3, 7, 8, 11):
        top = merkle([leaf(bytes([i])) for i in range(count)])
        print("merkle", count, "  ", tagged("waxseal/merkle/list", u64(count), top).hex())
    data = bytes(i * 7 % 256 for i in range(3 * 4096 + 5))
    print("bytes      ", merkle([leaf(data[i:i + 4096]) for i in range(0, len(data), 4096)]).hex())

    key = tagged("waxseal/prg", seed, b"label")[:16]
    for block in (0, 300, 2**64 - 1):
        stream = Cipher(algorithms.AES(key), modes.CTR(block.to_bytes(16, "big"))).encryptor()
        print("prg", block, stream.update(bytes(32)).hex())

    threshold, parties = 3, 7
    polynomial = [int.from_bytes(tagged("waxseal/coin/deal", seed, u64(d), u64(0)), "big")
                  for d in range(threshold)]
    secrets = [sum(c * pow(i, d, N) for d, c in enumerate(polynomial)) % N
               for i in range(1, parties + 1)]
    print("secret 6   ", secrets[6].to_bytes(32, "big").hex())
    print("public 6   ", compress(mul(secrets[6], G)).hex())
    attempt = 0
    while True:
        q = lift(int.from_bytes(tagged("waxseal/coin/curve", name, u64(attempt)), "big"))
        if q:
            break
        attempt += 1
    print("share 6    ", compress(mul(secrets[6], q)).hex())
    print("coin       ", tagged("waxseal/coin/value", name, compress(mul(polynomial[0], q))).hex())
    # The proof of a share, from the nonce's definition.
    x, v, s = secrets[6], mul(secrets[6], G), mul(secrets[6], q)
    statement = name + u64(6) + compress(q) + compress(v) + compress(s)
    k = int.from_bytes(tagged("waxseal/coin/nonce", x.to_bytes(32, "big"), statement, u64(0)), "big")
    e = tagged("waxseal/coin/challenge", statement, compress(mul(k, G)), compress(mul(k, q)))
    print("proof 6    ", (e + ((int.from_bytes(e, "big") * x + k) % N).to_bytes(32, "big")).hex())

    # The recipient is the secret 3; what is sealed is "plaintext" for the context "context".
    recipient = mul(3, G)
    ephemeral = int.from_bytes(tagged("waxseal/ecies/ephemeral", seed, u64(0)), "big")
    sent = compress(mul(ephemeral, G))
    shared = mul(ephemeral, recipient)[0].to_bytes(32, "big")
    extracted = hmac.digest(b"waxseal/ecies", shared, "sha256")
    info = sent + recipient[0].to_bytes(32, "big")
    first = hmac.digest(extracted, info + b"\x01", "sha256")
    expanded = first + hmac.digest(extracted, first + info + b"\x02", "sha256")
    body = AESGCM(expanded[:32]).encrypt(expanded[32:44], b"plaintext", b"context")
    print("sealed     ", (sent + body).hex())


main()

"""Writes pickle.json: pickles of rsa.PublicKey as CPython and python-rsa make them, and pickles to be refused.

Run with Python 3.8 or later and python-rsa from 3.4.2 on (Debian: python3-rsa):  python3 make_pickle_vectors.py > pickle.json
The moduli are odd numbers of the wanted size from SHA-256 in counter mode, so that the output can be made again;
a pickle does not care whether they have two prime factors.
"""

import hashlib
import io
import json
import os
import pickle
import pickletools
import platform
import sys

import rsa
import rsa.key

PROTOCOLS = range(6)
KEYS = [
    (512, 65537), (512, 3), (513, 65535), (1023, 257), (2039, 2**31 + 1), (2040, 2**31 - 1), (2048, 65537),
    (4096, 2**32 - 1),
]


def modulus(bits):
    blocks = b"".join(hashlib.sha256(b"%d %d" % (bits, i)).digest() for i in range(bits // 256 + 1))
    return int.from_bytes(blocks, "big") >> (8 * len(blocks) - bits) | 1 << (bits - 1) | 1


def forms(obj, protocol):
    """All that the picklers at hand make of it, without repetitions."""
    whole = pickle.dumps(obj, protocol)
    slow = io.BytesIO()
    pickle._Pickler(slow, protocol).dump(obj)
    return list(dict.fromkeys([whole, slow.getvalue(), pickletools.optimize(whole)]))


def entries(make, shape, protocols):
    for bits, e in KEYS:
        key = make(modulus(bits), e)
        for protocol in protocols:
            for data in forms(key, protocol):
                yield {"shape": shape, "bits": bits, "protocol": protocol, "e": e,
                       "optimized": data != pickle.dumps(key, protocol), "pickle": data.hex()}


class SlotsPublicKey:
    """What rsa.key.PublicKey was for pickle in python-rsa 3.1 to 3.3: slots, and no __getstate__."""

    __slots__ = ("n", "e")

    def __init__(self, n, e):
        self.n, self.e = n, e


def slots_entries():
    """The same under the name rsa.key.PublicKey. Protocols 0 and 1 cannot store slots."""
    SlotsPublicKey.__module__, SlotsPublicKey.__name__, SlotsPublicKey.__qualname__ = "rsa.key", "PublicKey", "PublicKey"
    original, rsa.key.PublicKey = rsa.key.PublicKey, SlotsPublicKey
    yield from entries(SlotsPublicKey, "slots", range(2, 6))
    rsa.key.PublicKey = original


class Call:
    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def refused():
    """Never unpickled here; only written."""
    n = modulus(512)
    rsa.key.Other = type("Other", (rsa.PublicKey,), {"__module__": "rsa.key"})
    private = rsa.PrivateKey(3233, 17, 2753, 61, 53)
    for name, obj in [
        ("a call of os.system", Call(os.system, "echo pwned")),
        ("a call of eval", Call(eval, "1")),
        ("a call of rsa.PublicKey instead of its state", Call(rsa.PublicKey, n, 65537)),
        ("a call of os.system in a tuple with a key", (rsa.PublicKey(n, 65537), Call(os.system, "echo pwned"))),
        ("a call of os.system as n", rsa.PublicKey(Call(os.system, "echo pwned"), 65537)),
        ("a call of os.system as e", rsa.PublicKey(n, Call(os.system, "echo pwned"))),
        ("a private key", private),
        ("another class of the module", rsa.key.Other(n, 65537)),
        ("a negative modulus", rsa.PublicKey(-n, 65537)),
        ("a negative exponent", rsa.PublicKey(n, -3)),
        ("an exponent of zero", rsa.PublicKey(n, 0)),
        ("a float as exponent", rsa.PublicKey(n, 65537.0)),
        ("a string as modulus", rsa.PublicKey("n", 65537)),
        ("None", None),
        ("a plain tuple", (n, 65537)),
        ("bytes", b"key"),
    ]:
        for protocol in PROTOCOLS:
            yield {"name": name, "protocol": protocol, "pickle": pickle.dumps(obj, protocol).hex()}


json.dump(
    {
        "source": "made by test/vectors/make_pickle_vectors.py with %s %s and python-rsa %s; 'slots' by a class of the same name "
        "and the same slots as in python-rsa 3.1 to 3.3"
        % (platform.python_implementation(), platform.python_version(), rsa.__version__),
        "moduli": {bits: "%x" % modulus(bits) for bits, _ in KEYS},
        "keys": [*entries(rsa.PublicKey, "tuple", PROTOCOLS), *slots_entries()],
        "refused": list(refused()),
    },
    sys.stdout,
    indent=1,
)
print()

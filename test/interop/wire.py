"""Frames and messages of the Python peers, on the real pickle, rsa and Cryptodome (Debian) libraries."""

import hashlib
import json
import pickle
import threading

import rsa
from Cryptodome.Cipher import AES
from Cryptodome.Random import get_random_bytes
from Cryptodome.Util.Padding import pad, unpad

BLOCK = 32
HANDSHAKE = 4000


class Connection:
    """One end after the handshake: whole messages over a socket."""

    def __init__(self, sock, key):
        self.sock = sock
        self.key_length = len(key)
        self.key = key

    def send(self, message):
        body = AES.new(self.key, AES.MODE_ECB).encrypt(pad(message, BLOCK))
        length = str(len(body))
        self.sock.sendall(f"{len(length)}{length}".encode("ascii") + body)

    def recv(self):
        """The next message, or None if the peer ended between two."""
        digits = self.sock.recv(1)
        if not digits:
            return None
        body = self._exactly(int(self._exactly(int(digits))))
        return unpad(AES.new(self.key, AES.MODE_ECB).decrypt(body), BLOCK)

    def end(self):
        self.sock.shutdown(1)

    def _exactly(self, count):
        parts = []
        while count > 0:
            part = self.sock.recv(count)
            if not part:
                raise EOFError(f"the stream ended {count} bytes early")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def offer(sock, public, private, protocol):
    """The server's half of the handshake: one pickle, then whatever a single recv gives."""
    sock.sendall(pickle.dumps(public, protocol=protocol))
    encrypted = sock.recv(HANDSHAKE)
    if not encrypted:
        raise ConnectionAbortedError("the client left without a key")
    return Connection(sock, rsa.decrypt(encrypted, private))


def accept(sock, key_length):
    """The client's half: the key from a single recv."""
    public = pickle.loads(sock.recv(HANDSHAKE))
    if type(public) is not rsa.PublicKey:
        raise TypeError(f"unpickled {type(public)}")
    key = get_random_bytes(key_length)
    sock.sendall(rsa.encrypt(key, public))
    return Connection(sock, key)


def content(name, size):
    """The bytes that both sides of the test derive from a name and a size."""
    return hashlib.shake_128(f"{name} {size}".encode()).digest(size)


def exchange(connection, sizes, own, other):
    """Sends every size from a thread while it receives as many, and tells the peer what arrived."""
    failed = []

    def send():
        try:
            for size in sizes:
                connection.send(content(own, size))
        except Exception as error:
            failed.append(repr(error))

    thread = threading.Thread(target=send)
    thread.start()
    right = sum(connection.recv() == content(other, size) for size in sizes)
    thread.join()
    connection.send(json.dumps({"right": right, "keyLength": connection.key_length, "failed": failed}).encode())
    return right == len(sizes) and not failed

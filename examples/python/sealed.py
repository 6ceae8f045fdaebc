"""A client and a server for "sealed", the default protocol of secure-sockets, on Debian's python3-cryptography.

    link = connect("localhost", 9000, "SHA256:...")         # the server's fingerprint, told beforehand
    link.send(b"hello")
    print(link.recv())                                      # None when the peer has ended in order
    link.close()

    link = accept(listener.accept()[0], load_key("server.pem", "server"))       # in a thread of its own

The labels in the comments (C1, R4.1, ...) are those of docs/protocol.md. Suites are 0x0101 and 0x0103. It is one file,
so that a program gets it by copying it.
"""

import base64
import collections
import hashlib
import hmac
import os
import re
import selectors
import socket
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CLIENT_HELLO, SERVER_HELLO, SERVER_IDENTITY, CLIENT_KEY, CLIENT_AUTH, CLIENT_FINISHED, SERVER_FINISHED = range(1, 8)
REJECT = 15
RESUME = 0xFFFE
HANDSHAKE, DATA, KEY_UPDATE, PING, PONG, CLOSE, TICKET, PADDED = range(1, 9)
CIPHERS = {0x0101: AESGCM, 0x0103: ChaCha20Poly1305}
NO_CLIENTS, OPTIONAL_CLIENTS, REQUIRED_CLIENTS = range(3)

HANDSHAKE_RECORD = 4121
HANDSHAKE_BYTES = 16384
SEND_RECORDS, SEND_BYTES, KEY_AGE = 2**20, 2**36, 3600
RECEIVE_RECORDS, RECEIVE_BYTES = 2**22, 2**38
OWED_PONG = 10
QUEUE = 2**20
ANSWERS = {None: 0, "PEER_CLOSED": 0, "PROTOCOL": 6, "MESSAGE_TOO_BIG": 3}  # CLOSE codes; else the socket just closes
ZERO = bytes(32)
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"sealed v1 server key")
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


class SealedError(Exception):
    """What went wrong; `code` is one of "Errors of sealed" in docs/protocol.md."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code


@dataclass(frozen=True)
class Options:
    suites: tuple = (0x0101, 0x0103)  # in order of preference
    timeout: float = 10  # seconds, for connecting and the handshake together
    max_message: int = 16 * 2**20  # bytes: the longest message accepted, 1024 to 2**31 - 1
    max_record: int = 2**20 + 2**12  # bytes: the longest DATA payload accepted, 16384 to 1052672
    ping_interval: float = 30  # seconds without a byte until PING is sent; 0: never
    ping_timeout: float = 20  # seconds after that until the peer is considered dead
    close_timeout: float = 5  # seconds that close() waits for the peer's CLOSE
    half_open: bool = False  # whether this end may go on sending when the peer has ended
    padding: object = None  # hides lengths: payloads of DATA are filled up to a multiple of so many bytes, or "padme"


# Keys, fingerprints (E1 to E3)


def load_key(path, role, passphrase=None):
    """The private key in a PEM file. Role "server" or "client": a key never serves as both (E1)."""
    text = open(path, "rb").read()
    stated = re.search(rb"^Secure-Sockets-Role: *([\w-]+)", text, re.MULTILINE)
    if stated and stated[1].decode() != role:
        raise SealedError("BAD_IDENTITY", f"{path} has a key for role {stated[1].decode()}, expected {role}")
    key = serialization.load_pem_private_key(text, passphrase)
    parse_spki(spki_of(key.public_key()))
    return key


def spki_of(public_key):
    return public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def parse_spki(spki):
    """The public key, if it is one of E1 in the one encoding of E2."""
    try:
        key = serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SealedError("PROTOCOL", "the key is no SubjectPublicKeyInfo") from error
    if not isinstance(key, rsa.RSAPublicKey) or spki_of(key) != spki:
        raise SealedError("PROTOCOL", "the key is not RSA in its one encoding")
    numbers = key.public_numbers()
    if not 2048 <= key.key_size <= 4096 or key.key_size % 8 or numbers.e != 65537 or numbers.n % 2 == 0:
        raise SealedError("PROTOCOL", f"an RSA key of {key.key_size} bits with exponent {numbers.e} is not acceptable")
    return key


def fingerprint(spki):
    return "SHA256:" + base64.b64encode(hashlib.sha256(spki).digest()).decode().rstrip("=")


# Encodings (M0)


def u16(number):
    return number.to_bytes(2, "big")


def u32(number):
    return number.to_bytes(4, "big")


def vec16(data):
    return u16(len(data)) + data


class Fields:
    """Takes a message apart, field by field; raises an error where it does not decode."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise SealedError("PROTOCOL", "a field goes beyond the end of its message")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size, low, high):
        number = int.from_bytes(self.take(size), "big")
        if not low <= number <= high:
            raise SealedError("PROTOCOL", f"{number} is not between {low} and {high}")
        return number

    def vec16(self):
        return self.take(self.number(2, 0, 65535))

    def limits(self):
        return self.number(4, 1024, 2**31 - 1), self.number(4, 16384, 1052672)

    def extensions(self):
        entries, types = Fields(self.vec16()), []
        while entries.at < len(entries.data):
            types.append(entries.number(2, types[-1] + 1 if types else 0, 65535))
            entries.vec16()
        return types

    def end(self):
        if self.at != len(self.data):
            raise SealedError("PROTOCOL", f"{len(self.data) - self.at} bytes too many at the end of a message")


# Key schedule (H1 to H5)


def extract(salt, secret):
    return hmac.digest(salt, secret, "sha256")


def expand_label(secret, label, context, length):
    name = b"sealed1 " + label
    info = u16(length) + bytes([len(name)]) + name + bytes([len(context)]) + context
    return HKDFExpand(hashes.SHA256(), length, info).derive(secret)


def derive_secret(secret, label, messages=b""):
    return expand_label(secret, label, hashlib.sha256(messages).digest(), 32)


def following(secret, new):
    return extract(derive_secret(secret, b"derived"), new)


class TrafficKey:
    """The key of one direction (H4), which seals or opens one record after the other (R1)."""

    def __init__(self, suite, secret):
        self.suite, self.secret = suite, secret
        self.cipher = CIPHERS[suite](expand_label(secret, b"key", b"", 32))
        self.iv = int.from_bytes(expand_label(secret, b"iv", b"", 12), "big")
        self.records = self.bytes = 0
        self.since = time.monotonic()

    def next(self):
        return TrafficKey(self.suite, expand_label(self.secret, b"traffic upd", b"", 32))

    def seal(self, kind, payload):
        header = (1 + len(payload) + 16).to_bytes(3, "big")
        return header + self.cipher.encrypt(self._nonce(len(payload) + 17), bytes([kind]) + payload, header)

    def open(self, header, body):
        if self.records >= RECEIVE_RECORDS or self.bytes + len(body) >= RECEIVE_BYTES:  # R4.3
            raise SealedError("PROTOCOL", "the peer has used one key for too long")
        try:
            plaintext = self.cipher.decrypt(self._nonce(len(body)), body, header)
        except InvalidTag as error:
            raise SealedError("DECRYPT_FAILED", "the tag of a record is wrong") from error
        return plaintext[0], plaintext[1:]

    def _nonce(self, size):
        nonce = (self.iv ^ self.records).to_bytes(12, "big")
        self.records, self.bytes = self.records + 1, self.bytes + size
        return nonce


def read_record(read, key, limit):
    """One record: its type and its payload."""
    header = read(3)
    size = int.from_bytes(header, "big")
    if not 17 <= size <= limit:
        raise SealedError("PROTOCOL", f"a record of {size} bytes is not between 17 and {limit}")
    return key.open(header, read(size))


# Handshake


class Handshake:
    """What both ends share: messages in and out, the transcript, the secrets."""

    def __init__(self, sock, deadline):
        self.sock, self.deadline, self.received, self.transcript = sock, deadline, 0, b""

    def read(self, count):
        self.received += count
        if self.received > HANDSHAKE_BYTES:
            raise SealedError("HANDSHAKE_FAILED", f"the handshake has more than {HANDSHAKE_BYTES} bytes")
        data = b""
        while len(data) < count:
            with self._in_time():
                part = self.sock.recv(count - len(data))
            if not part:
                raise SealedError("HANDSHAKE_FAILED", "the stream ended in the handshake")
            data += part
        return data

    def write(self, data):
        with self._in_time():
            self.sock.sendall(data)

    @contextmanager
    def _in_time(self):
        left = self.deadline - time.monotonic()
        try:
            if left <= 0:
                raise socket.timeout
            self.sock.settimeout(left)
            yield
        except socket.timeout as error:
            raise SealedError("HANDSHAKE_TIMEOUT", "the handshake takes too long") from error
        except OSError as error:
            raise SealedError("HANDSHAKE_FAILED", f"the connection broke in the handshake: {error}") from error

    def message(self, kind, body):
        """Frames a message of ours (M0)."""
        framed = b"SEAL" + bytes([kind, 1]) + vec16(body)
        self.transcript += framed
        return framed

    def bare(self, *kinds):
        """Reads a message that is in no record: its type and its fields."""
        for expected in b"SEAL":
            if self.read(1)[0] != expected:
                raise SealedError("NOT_SEALED", "the peer does not speak sealed")
        header = b"SEAL" + self.read(4)
        kind, length = self._parse_header(header, kinds)
        body = self.read(length)
        self.transcript += header + body
        return kind, Fields(body)

    def sealed(self, key, kind):
        """Reads a message that is a record of its own: its fields."""
        return self.opened(read_record(self.read, key, HANDSHAKE_RECORD), kind)

    def opened(self, opened, kind):
        record, payload = opened
        if record != HANDSHAKE or self._parse_header(payload[:8], (kind,))[1] != len(payload) - 8:
            raise SealedError("PROTOCOL", f"a record of type {record} and {len(payload)} bytes has no place here")
        self.transcript += payload
        return Fields(payload[8:])

    def _parse_header(self, header, kinds):
        fields = Fields(header)
        magic, kind, layout = fields.take(4), fields.number(1, 0, 255), fields.number(1, 0, 255)
        if magic != b"SEAL" or kind not in kinds or layout != 1:
            raise SealedError("PROTOCOL", f"a message of type {kind} and layout {layout} has no place here")
        return kind, fields.number(2, 0, 4096)

    def exchange(self, suite, private, public):
        """HS and the keys of both directions under it (X2, H3): the client's, the server's."""
        self.suite = suite
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(public))  # refuses a secret of zeros
        except ValueError as error:
            raise SealedError("PROTOCOL", "the X25519 key is not acceptable") from error
        self.secret = following(extract(ZERO, ZERO), shared)
        return self._keys(b"c hs traffic"), self._keys(b"s hs traffic")

    def authenticate(self, rs):
        """AHS and its keys, once CLIENT_KEY is in the transcript."""
        self.secret = following(self.secret, rs)
        keys = self._keys(b"c ahs traffic"), self._keys(b"s ahs traffic")
        self.master = following(self.secret, ZERO)
        return keys

    def finished(self, label):
        """The MAC over everything until now (M6, M7)."""
        return extract(expand_label(self.master, label, b"", 32), hashlib.sha256(self.transcript).digest())

    def application_key(self, label):
        return TrafficKey(self.suite, derive_secret(self.master, label, self.transcript))

    def exporter(self):
        return derive_secret(self.master, b"exp master", self.transcript)

    def signed(self):
        """What a client signs (M5)."""
        digest = hashlib.sha256(self.transcript).digest()
        return b" " * 64 + b"sealed v1, client authentication\0" + digest

    def _keys(self, label):
        return TrafficKey(self.suite, derive_secret(self.secret, label, self.transcript))


@contextmanager
def one_failure():
    """Any error is one failure with one text, so that the peer does not learn which check failed."""
    try:
        yield
    except SealedError as error:
        if error.code == "HANDSHAKE_TIMEOUT":
            raise
        raise SealedError("HANDSHAKE_FAILED", "the handshake did not verify") from error


def connect(host, port, server_key, identity=None, options=Options()):
    """A connection to the server with this fingerprint, or one of several. `identity` is a key of role "client"."""
    pins = {pin.strip() for pin in ([server_key] if isinstance(server_key, str) else server_key)}
    if not pins:
        raise SealedError("NO_TRUST", "give the fingerprint of the server's key, or several")  # E4
    deadline = time.monotonic() + options.timeout
    sock = socket.create_connection((host, port), options.timeout)
    try:
        return _connect(Handshake(sock, deadline), pins, identity, options)
    except BaseException:
        sock.close()
        raise


def _connect(shake, pins, identity, options):
    private = X25519PrivateKey.generate()  # C1
    offered = [(os.urandom(1)[0] & 0xF0 | 0x0A) * 0x0101, *options.suites]  # X1: a reserved number
    suites = b"".join(u16(suite) for suite in offered)
    public = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    hello = os.urandom(32) + bytes([len(offered)]) + suites + public + vec16(b"") + vec16(b"")
    shake.write(shake.message(CLIENT_HELLO, hello))

    kind, fields = shake.bare(SERVER_HELLO, REJECT)  # C2
    if kind == REJECT:
        code = ("NO_COMMON_SUITE", "BUSY")[fields.number(1, 1, 2) - 1]
        fields.end()
        raise SealedError(code, "reported by the server, unauthenticated")
    fields.take(32)
    suite, peer_public, ciphertext = fields.number(2, 0, 65535), fields.take(32), fields.vec16()
    answers = fields.extensions()
    fields.end()
    if suite not in options.suites or ciphertext or RESUME in answers:  # no ticket is ever asked for or offered
        raise SealedError("PROTOCOL", f"suite {suite:#06x} or what comes with it was not offered")
    c_hs, s_hs = shake.exchange(suite, private, peer_public)

    asked, limits, spki = _server_identity(shake, s_hs)  # C3
    server_key = parse_spki(spki)
    if not any(hmac.compare_digest(fingerprint(spki), pin) for pin in pins):
        raise SealedError("UNTRUSTED_SERVER", f"the server's key is {fingerprint(spki)}, expected {sorted(pins)}")
    if identity and spki == spki_of(identity.public_key()):  # E1
        raise SealedError("UNTRUSTED_SERVER", "the server shows the key of this client")

    rs = os.urandom(32)  # C4
    flight = c_hs.seal(HANDSHAKE, shake.message(CLIENT_KEY, vec16(server_key.encrypt(rs, OAEP))))
    c_ahs, s_ahs = shake.authenticate(rs)
    proof = b"\0" + vec16(b"") + vec16(b"")
    if identity and asked != NO_CLIENTS:
        signature = identity.sign(shake.signed(), PSS, hashes.SHA256())
        proof = b"\1" + vec16(spki_of(identity.public_key())) + vec16(signature)
    own_limits = u32(options.max_message) + u32(options.max_record)
    flight += c_ahs.seal(HANDSHAKE, shake.message(CLIENT_AUTH, own_limits + proof + vec16(b"")))
    flight += c_ahs.seal(HANDSHAKE, shake.message(CLIENT_FINISHED, shake.finished(b"c finished")))
    shake.write(flight)
    sending = shake.application_key(b"c ap traffic")

    _read_finished(shake, s_ahs)  # C5
    receiving = shake.application_key(b"s ap traffic")
    return Connection(shake, sending, receiving, limits, spki, options)  # C6


def _server_identity(shake, key):
    with one_failure():
        record = read_record(shake.read, key, HANDSHAKE_RECORD)
    fields = shake.opened(record, SERVER_IDENTITY)
    asked, limits, spki = fields.number(1, 0, 2), fields.limits(), fields.vec16()
    fields.extensions()
    fields.end()
    return asked, limits, spki


def _read_finished(shake, key):
    expected = shake.finished(b"s finished")
    with one_failure():
        kind, payload = read_record(shake.read, key, HANDSHAKE_RECORD)
        mac = b"SEAL" + bytes([SERVER_FINISHED, 1]) + vec16(expected)
        verified = kind == HANDSHAKE and hmac.compare_digest(payload, mac)
        if not verified and (kind, payload) != (CLOSE, u16(2)):
            raise SealedError("HANDSHAKE_FAILED", "")
    if not verified:
        raise SealedError("UNAUTHORIZED_CLIENT", "the server refuses this client, or asks for an identity")
    shake.transcript += payload


def accept(sock, identity, clients=NO_CLIENTS, authorized=(), options=Options()):
    """The server's end on a socket that was accepted. `authorized`: fingerprints of the clients that are let in."""
    shake = Handshake(sock, time.monotonic() + options.timeout)
    try:
        return _accept(shake, identity, clients, {key.strip() for key in authorized}, options)
    except BaseException:
        sock.close()
        raise


def _accept(shake, identity, clients, authorized, options):
    suite, peer_public = _client_hello(shake, options.suites)  # S1
    private = X25519PrivateKey.generate()  # S2
    public = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    flight = shake.message(SERVER_HELLO, os.urandom(32) + u16(suite) + public + vec16(b"") + vec16(b""))
    c_hs, s_hs = shake.exchange(suite, private, peer_public)
    limits = u32(options.max_message) + u32(options.max_record)
    shown = bytes([clients]) + limits + vec16(spki_of(identity.public_key())) + vec16(b"")
    shake.write(flight + s_hs.seal(HANDSHAKE, shake.message(SERVER_IDENTITY, shown)))

    with one_failure():
        fields = shake.sealed(c_hs, CLIENT_KEY)  # S3
        encrypted = fields.vec16()
        fields.end()
        c_ahs, s_ahs = shake.authenticate(_decrypt(identity, encrypted))
        signed = shake.signed()
        fields = shake.sealed(c_ahs, CLIENT_AUTH)  # S4
        limits, spki = fields.limits(), _proven_key(fields, signed, clients)
        expected = shake.finished(b"c finished")  # S5
        fields = shake.sealed(c_ahs, CLIENT_FINISHED)
        mac = fields.take(32)
        fields.end()
        if not hmac.compare_digest(mac, expected):
            raise SealedError("HANDSHAKE_FAILED", "")
    own_spki = spki_of(identity.public_key())
    if (spki == own_spki or fingerprint(spki) not in authorized) if spki else clients == REQUIRED_CLIENTS:
        shake.write(s_ahs.seal(CLOSE, u16(2)))
        shake.sock.shutdown(socket.SHUT_WR)
        raise SealedError("UNAUTHORIZED_CLIENT", f"the client {fingerprint(spki) if spki else ''} is not let in")

    receiving = shake.application_key(b"c ap traffic")  # S6
    shake.write(s_ahs.seal(HANDSHAKE, shake.message(SERVER_FINISHED, shake.finished(b"s finished"))))
    return Connection(shake, shake.application_key(b"s ap traffic"), receiving, limits, spki, options)


def _client_hello(shake, suites):
    _, fields = shake.bare(CLIENT_HELLO)
    fields.take(32)
    offered = [fields.number(2, 0, 65535) for _ in range(fields.number(1, 1, 8))]
    public, encapsulation_key = fields.take(32), fields.vec16()
    extensions = fields.extensions()
    fields.end()
    if len(set(offered)) < len(offered) or len(encapsulation_key) != (1184 if {0x0102, 0x0104} & set(offered) else 0):
        raise SealedError("PROTOCOL", "CLIENT_HELLO offers a suite twice, or has a wrong ML-KEM key")
    if RESUME in extensions[:-1]:
        raise SealedError("PROTOCOL", "an extension follows RESUME, which is the last")
    common = [suite for suite in offered if suite in suites]  # X3: ours differ in the cipher only
    if not common:
        shake.write(b"SEAL" + bytes([REJECT, 1]) + vec16(b"\1"))
        raise SealedError("NO_COMMON_SUITE", f"the client offers {[hex(suite) for suite in offered]}")
    return common[0], public


def _decrypt(identity, encrypted):
    """DECRYPT.1 to DECRYPT.4. The library raises on a wrong padding, so its time does depend on that a little."""
    if len(encrypted) != identity.key_size // 8:
        raise SealedError("HANDSHAKE_FAILED", "")
    stand_in = os.urandom(32)
    try:
        rs = identity.decrypt(encrypted, OAEP)
    except ValueError:
        return stand_in
    return rs if len(rs) == 32 else stand_in


def _proven_key(fields, signed, clients):
    identified, spki, signature = fields.number(1, 0, 1), fields.vec16(), fields.vec16()
    fields.extensions()
    fields.end()
    if not identified:
        if spki or signature:
            raise SealedError("HANDSHAKE_FAILED", "")
        return None
    if clients == NO_CLIENTS:
        raise SealedError("HANDSHAKE_FAILED", "")
    try:
        parse_spki(spki).verify(signature, signed, PSS, hashes.SHA256())
    except InvalidSignature as error:
        raise SealedError("HANDSHAKE_FAILED", "") from error
    return spki


# Open connection (R2 to R8)


def pad(data, padding, limit):
    """The payload of a PADDED record (R8), at most `limit` bytes."""
    size = 3 + len(data)
    if padding == "padme":
        exponent = size.bit_length() - 1
        grain = 1 << exponent - exponent.bit_length()
    else:
        grain = padding
    zeros = min(-(-size // grain) * grain, limit) - size
    return len(data).to_bytes(3, "big") + data + bytes(zeros)


def unpad(payload):
    fields = Fields(payload)
    return fields.take(fields.number(3, 0, 2**24 - 1))


class Connection:
    """Whole messages, in both directions; any thread may send or receive.

    Two threads of its own read and write, so that PING is answered while the program computes, and so that
    two ends that both send a lot never wait for each other.
    """

    def __init__(self, shake, sending, receiving, peer_limits, peer_spki, options):
        self.peer = fingerprint(peer_spki) if peer_spki else None  # None: an anonymous client
        self.suite = shake.suite
        self.close_code = None  # what the peer's CLOSE said
        self._exporter, self._options, self._sock = shake.exporter(), options, shake.sock
        self._sending, self._receiving = sending, receiving
        self._peer_max_message, peer_max_record = peer_limits
        self._max_payload = min(peer_max_record, options.max_record)  # R3
        self._cut = self._max_payload - (3 if options.padding else 0)
        self._changed = threading.Condition()  # holds what follows together
        self._stream, self._messages, self._held = bytearray(), collections.deque(), 0
        self._records, self._queued, self._signs = collections.deque(), 0, set()
        self._bytes_since_write, self._last_write, self._paused = 0, time.monotonic(), False
        self._ended = self._error = None
        self._closing = self._hung_up = self._discarding = self._renew = False
        self._sock.settimeout(None)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._sock, selectors.EVENT_READ)
        self._reader = threading.Thread(target=self._read_all, daemon=True)
        self._writer = threading.Thread(target=self._write_all, daemon=True)
        self._reader.start()
        self._writer.start()

    def send(self, message):
        """Sends one message; waits while much is waiting to be written."""
        if len(message) > self._peer_max_message:
            limit = self._peer_max_message
            raise SealedError("MESSAGE_TOO_BIG_FOR_PEER", f"{len(message)} bytes, and the peer takes {limit}")
        stream = memoryview(u32(len(message)) + message)
        with self._changed:
            self._changed.wait_for(lambda: self._queued < QUEUE or self._closing or self._hung_up)
            if self._closing or self._hung_up:
                raise self._error or SealedError("CLOSED", "this end has closed")
            self._records.extend((DATA, stream[at : at + self._cut]) for at in range(0, len(stream), self._cut))
            self._queued += len(stream)
            self._changed.notify_all()

    def recv(self, timeout=None):
        """The next message; None if the peer has ended in order. Raises TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._messages or self._ended, timeout):
                raise TimeoutError(f"no message in {timeout} seconds")
            if self._messages:
                message = self._messages.popleft()
                self._held -= len(message) + 128
                self._changed.notify_all()
                return message
            if self._error:
                raise self._error
            return None

    def update_key(self):
        """Requests a new key for our direction, before its next message (R4.2)."""
        self._renew = True

    def export(self, label, context, length):
        """Keying material that only the two ends have (H5)."""
        secret = derive_secret(self._exporter, label)
        return expand_label(secret, b"exporter", hashlib.sha256(context).digest(), length)

    def end(self, code=0):
        """Ends our direction, after everything sent; the peer's messages can still be received."""
        with self._changed:
            if not self._closing:
                self._closing = True
                self._records.append((CLOSE, u16(code)))
                self._changed.notify_all()

    def close(self, code=0):
        """Ends both directions: waits a while for the peer's end, and drops what was not received."""
        self.end(code)
        with self._changed:
            self._discarding = True
            self._changed.notify_all()
        until = time.monotonic() + self._options.close_timeout
        for thread in (self._reader, self._writer):
            thread.join(max(0, until - time.monotonic()))
        self._hang_up()
        for thread in (self._reader, self._writer):
            thread.join()
        self._selector.close()
        self._sock.close()

    # The writer

    def _write_all(self):
        kind = None
        try:
            while kind != CLOSE and (record := self._next_record()):
                kind, payload = record
                if kind == DATA and self._options.padding:
                    kind, payload = PADDED, pad(payload, self._options.padding, self._max_payload)
                self._sock.sendall(self._renewal(kind, len(payload)) + self._sending.seal(kind, payload))
            if kind == CLOSE:
                self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._hang_up()  # the reader notices too, and reports it

    def _next_record(self):
        """The next record to write: PING and PONG first (R6). None when the connection is gone."""
        with self._changed:
            while not self._hung_up:
                due = self._last_write + OWED_PONG - time.monotonic()
                owed = (self._paused or self._bytes_since_write > 0) and self.close_code is None  # R6.3, R6.4
                if owed and due <= 0:
                    self._signs.add(PONG)
                if self._signs and self.close_code is None:
                    return self._note_write(self._signs.pop(), b"")
                if self._records:
                    return self._note_write(*self._records.popleft())
                self._changed.wait(due if owed else None)
            return None

    def _note_write(self, kind, payload):
        self._bytes_since_write, self._last_write = 0, time.monotonic()
        if kind == DATA:
            self._queued -= len(payload)
            self._changed.notify_all()
        return kind, bytes(payload)

    def _renewal(self, kind, size):
        """KEY_UPDATE, if this record may not or should not be sealed under the present key (R4.1, R4.2)."""
        key = self._sending
        must = key.records + 2 > SEND_RECORDS or key.bytes + size + 34 > SEND_BYTES
        wanted = kind in (DATA, PADDED) and (self._renew or time.monotonic() - key.since > KEY_AGE)
        if not must and not (wanted and key.records > 0):
            return b""
        self._sending, self._renew = key.next(), False
        return key.seal(KEY_UPDATE, b"")

    def _say(self, sign):
        """At most one of each waits (R6.1)."""
        with self._changed:
            self._signs.add(sign)
            self._changed.notify_all()

    # The reader

    def _read_all(self):
        error = None
        try:
            while self.close_code is None:
                self._wait_for_room()
                self._take(*read_record(self._read, self._receiving, self._options.max_record + 17))
            self._judge_close()
        except SealedError as failure:
            error = failure
        except OSError as failure:
            error = SealedError("TRUNCATED", f"the connection broke: {failure}")
        answer = ANSWERS.get(error and error.code)
        with self._changed:  # as one step: a program that learns of the error and closes must not say CLOSE 0 first
            self._ended, self._error = True, error
            if answer:
                self._drop_what_waits()
            if answer is not None and (error or not self._options.half_open):
                self.end(answer)
            self._changed.notify_all()
        if answer is None:
            return self._hang_up()
        self._discard_rest()

    def _take(self, kind, payload):
        if kind == PADDED or kind == DATA and payload:
            self._stream += unpad(payload) if kind == PADDED else payload
            self._cut_messages()
        elif kind == KEY_UPDATE and not payload and self._receiving.records > 1:  # R4.3
            self._receiving = self._receiving.next()
        elif kind == PING and not payload:
            self._say(PONG)
        elif kind == CLOSE and len(payload) == 2:
            self.close_code = int.from_bytes(payload, "big")
        elif kind == PONG and not payload:
            with self._changed:  # R6.3: nothing is owed for it
                self._bytes_since_write = max(0, self._bytes_since_write - 20)
        else:
            raise SealedError("PROTOCOL", f"a record of type {kind} with {len(payload)} bytes has no place here")

    def _cut_messages(self):
        while len(self._stream) >= 4:
            size = int.from_bytes(self._stream[:4], "big")
            if size > self._options.max_message:
                raise SealedError("MESSAGE_TOO_BIG", f"a message of {size} bytes, at most {self._options.max_message}")
            if len(self._stream) < 4 + size:
                return
            message = bytes(self._stream[4 : 4 + size])
            del self._stream[: 4 + size]
            with self._changed:
                if not self._discarding:
                    self._messages.append(message)
                    self._held += size + 128
                self._changed.notify_all()

    def _judge_close(self):
        """R7: 0, 1 and the application's codes are an end in order, if they stand between two messages."""
        in_order = self.close_code < 2 or self.close_code >= 0x4000
        if not in_order:
            raise SealedError("PEER_CLOSED", f"the peer closed with code {self.close_code}")
        if self._stream:
            raise SealedError("TRUNCATED", "the peer closed inside a message")

    def _wait_for_room(self):
        limit = self._options.max_message + self._options.max_record
        with self._changed:
            if self._held > limit and not self._discarding:
                self._paused = True
                self._say(PONG)  # R6.4: not dead, only slow
                self._changed.wait_for(lambda: self._held <= limit or self._discarding)
                self._paused = False

    def _read(self, count):
        data = bytearray()
        while len(data) < count:
            self._wait_for_bytes()
            part = self._sock.recv(min(count - len(data), 2**18))
            if not part:
                raise SealedError("TRUNCATED", "the stream ended without CLOSE")
            data += part
            with self._changed:
                self._bytes_since_write += len(part)
                if self._bytes_since_write == len(part):
                    self._changed.notify_all()
        return bytes(data)

    def _wait_for_bytes(self):
        interval = self._options.ping_interval
        while not self._selector.select(interval or None):
            if not self._writer.is_alive():
                continue  # R6.6: no more requests after our CLOSE
            self._say(PING)
            if not self._selector.select(self._options.ping_timeout):
                raise SealedError("PING_TIMEOUT", "the peer says nothing, and did not answer PING")

    def _drop_what_waits(self):
        self._records.clear()
        self._closing = False

    def _discard_rest(self):
        """Closing with unread input would make TCP send a reset, which may overtake the CLOSE."""
        until = time.monotonic() + self._options.close_timeout
        try:
            while self._selector.select(max(0, until - time.monotonic())) and self._sock.recv(65536):
                pass
        except OSError:
            pass

    def _hang_up(self):
        with self._changed:
            self._hung_up = True
            self._changed.notify_all()
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # gone already


USAGE = """usage: sealed.py connect HOST PORT FINGERPRINT [KEY]    sends each line of its input, prints each message
       sealed.py listen PORT KEY                         sends every message back, on 127.0.0.1"""


def main(command="", *arguments):
    if command == "connect" and len(arguments) in (3, 4):
        host, port, pin, *key = arguments
        link = connect(host, int(port), pin, load_key(key[0], "client") if key else None)
        for line in sys.stdin.buffer:
            link.send(line.rstrip(b"\n"))
        link.end()
        while (message := link.recv()) is not None:
            sys.stdout.buffer.write(message + b"\n")
        link.close()
    elif command == "listen" and len(arguments) == 2:
        port, key = arguments
        identity = load_key(key, "server")
        with socket.create_server(("127.0.0.1", int(port))) as listener:
            print(listener.getsockname()[1], fingerprint(spki_of(identity.public_key())), flush=True)
            while True:
                threading.Thread(target=echo, args=(listener.accept()[0], identity), daemon=True).start()
    else:
        sys.exit(USAGE)


def echo(sock, identity):
    link = accept(sock, identity, options=Options(half_open=True))
    while (message := link.recv()) is not None:
        link.send(message)
    link.close()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, SealedError, ValueError) as error:
        sys.exit(f"sealed.py: {error}")

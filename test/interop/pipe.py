"""pipe.py client PORT SIZE | pipe.py server SIZE: sends SIZE bytes in messages while it receives until the peer's end.

Prints what it received as JSON: its length, its SHA-256 and the longest message. A server, with a key of 512 bits,
prints its port first, serves one client, and ends with its standard input.
"""

import hashlib
import json
import socket
import sys
import threading

import rsa

import wire

PIECE = 10_000


def pour(connection, data):
    for at in range(0, len(data), PIECE):
        connection.send(data[at : at + PIECE])
    connection.end()


def talk(connection, size):
    thread = threading.Thread(target=pour, args=(connection, wire.content("python", size)))
    thread.start()
    digest, length, longest = hashlib.sha256(), 0, 0
    while (message := connection.recv()) is not None:
        digest.update(message)
        length += len(message)
        longest = max(longest, len(message))
    thread.join()
    print(json.dumps({"length": length, "sha256": digest.hexdigest(), "longest": longest}), flush=True)


role, size = sys.argv[1], int(sys.argv[-1])
if role == "client":
    with socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=20) as sock:
        talk(wire.accept(sock, 32), size)
else:
    public, private = rsa.newkeys(512)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        sock, _ = listener.accept()
    with sock:
        talk(wire.offer(sock, public, private, 4), size)
    sys.stdin.read()

"""server.py MODE SIZES: listens once for each pickle protocol from 2 to 5, with one 512-bit key; prints key and ports.

MODE echo answers every message with itself; exchange sends the SIZES at once, unasked, while it receives them.
Ends with its standard input.
"""

import json
import os
import socket
import sys
import threading

import rsa

import wire

mode, sizes = sys.argv[1], json.loads(sys.argv[2])
public, private = rsa.newkeys(512)


def serve(sock, protocol):
    with sock:
        try:
            connection = wire.offer(sock, public, private, protocol)
        except ConnectionError:
            return
        if mode == "exchange":
            wire.exchange(connection, sizes, "python", "ours")
            return
        while (message := connection.recv()) is not None:
            connection.send(message)
        connection.end()


def listen(listener, protocol):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, protocol), daemon=True).start()


ports = {}
for protocol in (2, 3, 4, 5):
    listener = socket.create_server(("127.0.0.1", 0))
    ports[protocol] = listener.getsockname()[1]
    threading.Thread(target=listen, args=(listener, protocol), daemon=True).start()
print(json.dumps({"n": hex(public.n), "e": public.e, "ports": ports}), flush=True)
sys.stdin.read()
os._exit(0)

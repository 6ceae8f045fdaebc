"""mute.py: a server with a key of 512 bits that does the handshake and then reads nothing. Ends with its standard input."""

import json
import socket
import sys
import threading

import rsa

import wire

public, private = rsa.newkeys(512)
connections = []


def listen(listener):
    while True:
        sock, _ = listener.accept()
        connections.append(wire.offer(sock, public, private, 4))


with socket.create_server(("127.0.0.1", 0)) as listener:
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    threading.Thread(target=listen, args=(listener,), daemon=True).start()
    sys.stdin.read()

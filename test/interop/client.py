"""client.py PORT KEY_LENGTH MODE SIZES: connects, and exits with 0 if every message came back or arrived as it was.

MODE echo sends each message and waits for it to return; exchange sends the SIZES at once while it receives them.
"""

import json
import socket
import sys

import wire

port, key_length, mode, sizes = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
    connection = wire.accept(sock, key_length)
    if mode == "exchange":
        if not wire.exchange(connection, sizes, "python", "ours"):
            sys.exit("messages arrived altered")
    else:
        for size in sizes:
            message = wire.content("python", size)
            connection.send(message)
            if connection.recv() != message:
                sys.exit(f"a message of {size} bytes came back altered")
    connection.end()
    if connection.recv() is not None:
        sys.exit("a message followed the last")
print(f"{len(sizes)} right")

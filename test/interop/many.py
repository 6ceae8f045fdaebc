"""many.py PORT COUNT SIZES: connects COUNT times, one after another, and sends messages at once; prints how many had all of them back.

As programs of the original do: the first message follows the session key without a pause.
"""

import json
import socket
import sys

import wire

port, count, sizes = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
right, failed = 0, []
for number in range(count):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            connection = wire.accept(sock, 32)
            for size in sizes:
                message = wire.content("python", size)
                connection.send(message)
                if connection.recv() != message:
                    raise ValueError(f"a message of {size} bytes came back altered")
            connection.end()
            if connection.recv() is not None:
                raise ValueError("a message followed the last")
        right += 1
    except Exception as error:
        failed.append(repr(error))
print(json.dumps({"right": right, "failed": failed}))

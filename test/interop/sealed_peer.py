"""sealed_peer.py CONFIG: an end of sealed out of examples/python, told in JSON what to do; prints JSON lines.

{"role": "client", "port": 1, "pin": "SHA256:...", "do": "echo"} or {"role": "server", "key": FILE, "do": "echo"}.
A server prints its port first. Each connection ends in a line with what became of it: a "code" if it failed.
"""

import hashlib
import json
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../examples/python"))
import sealed

config = json.loads(sys.argv[1])
for name, value in config.get("constants", {}).items():
    setattr(sealed, name, value)
for name, seconds in config.get("delays", {}).items():
    method = getattr(sealed.Connection, name)
    setattr(sealed.Connection, name, lambda self, _method=method, _wait=seconds: (time.sleep(_wait), _method(self))[1])
options = sealed.Options(**{name: tuple(v) if name == "suites" else v for name, v in config.get("options", {}).items()})


def main():
    if config["role"] == "client":
        for _ in range(config.get("times", 1)):
            report(client)
        return
    identity = sealed.load_key(config["key"], "server")
    mode = {"none": 0, "optional": 1, "required": 2}[config.get("clients", "none")]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        say(port=listener.getsockname()[1], fingerprint=sealed.fingerprint(sealed.spki_of(identity.public_key())))
        threads = []
        for _ in range(config.get("times", 1)):
            threads.append(threading.Thread(target=serve, args=(listener.accept(), identity, mode), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()


def serve(accepted, identity, mode):
    sock, (_, port) = accepted
    report(lambda: sealed.accept(sock, identity, mode, config.get("authorized", ()), options), port)


def client():
    key = sealed.load_key(config["key"], "client") if "key" in config else None
    return sealed.connect("127.0.0.1", config["port"], config["pin"], key, options)


def report(opened, port=None):
    told, link = {"port": port} if port else {}, None
    try:
        link = opened()
        told.update(suite=link.suite, peer=link.peer, exported=link.export(b"test", b"of both", 40).hex())
        told.update(globals()[config["do"]](link) or {})
    except sealed.SealedError as error:
        told.update(code=error.code, text=str(error))
    if link:
        link.close(config.get("close", 0))
        told.update(close_code=link.close_code)
    say(**told)


def say(**what):
    print(json.dumps(what), flush=True)


def content(name, size):
    return hashlib.shake_128(f"{name} {size}".encode()).digest(size)


def right(link):
    """How many messages are as they should be."""
    return sum(link.recv(60) == content("ours", size) for size in config["sizes"])


def echo(link):
    """Sends back what comes, until the peer ends."""
    count = 0
    while (message := link.recv(60)) is not None:
        link.send(message)
        count += 1
    return dict(count=count)


def ask(link):
    """Sends each size and takes it back, now and then under a new key; ends, and takes what comes then."""
    count = 0
    for index, size in enumerate(config["sizes"]):
        if config.get("renew") and index % 2:
            link.update_key()
        link.send(content("python", size))
        count += link.recv(60) == content("python", size)
    link.end()
    return dict(right=count, rest=rest(link))


def exchange(link):
    """All sizes in both directions at once."""
    sender = threading.Thread(target=lambda: [link.send(content("python", size)) for size in config["sizes"]])
    sender.start()
    count = right(link)
    sender.join()
    link.end()
    return dict(right=count, rest=rest(link))


def rest(link):
    count = 0
    while link.recv(60) is not None:
        count += 1
    return count


def listen(link):
    """Takes what comes, until the end."""
    return dict(rest=rest(link))


def collect(link):
    """Takes what comes, and tells the texts and how it ended."""
    texts, code = [], None
    try:
        while (message := link.recv(60)) is not None:
            texts.append(message.decode("latin-1"))
    except sealed.SealedError as error:
        code = error.code
    return dict(texts=texts, **({"code": code} if code else {}))


def sleep(link):
    """Does something else for a while, then takes what came."""
    time.sleep(config["seconds"])
    return dict(rest=rest(link))


def too_much(link):
    """Sends more than the peer takes."""
    link.send(bytes(config["size"]))


def leave(link):
    """Ends at once."""


main()

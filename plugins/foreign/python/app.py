"""An analyser in Python, over the bare bindings: counts the words of each document.

Before that it asks Python for all that a program has and logs `what: answer` for each. In the sandbox all of that is an
empty world.
"""

import encodings.idna  # What looks up names; when the component runs there is no file to import it from.
import json
import os
import socket
import sys
import time

from wit_world import exports
from wit_world.exports import manifest
from wit_world.imports import artifacts, log

SCHEMA = {
    "type": "object",
    "x-palisade-items": "/counts",
    "properties": {"counts": {"type": "array", "items": {"type": "object"}}},
}


class Manifest(exports.Manifest):
    def describe(self) -> manifest.Description:
        one = manifest.Arity.ONE
        return manifest.Description(
            id="foreign:python",
            version="1.0.0",
            title="Counts words",
            description="",
            kind="analyser",
            inputs=[manifest.Port("documents", ["standard_input/1"], one, True, None, "", [])],
            outputs=[manifest.Port("counts", ["foreign.counts/1.0.0"], one, False, None, "", [])],
            config_schema='{"type": "object"}',
            schemas=[manifest.Schema("foreign.counts", "1.0.0", json.dumps(SCHEMA))],
            requests=[],
            limits=[],
            attributes=[],
        )


class Step(exports.Step):
    def run(self, inputs, config: str) -> bytes:
        ask_for_everything()
        for port in inputs:
            while batch := port.items.next(0):
                words = [{"words": len(json.loads(line)["content"].split())} for line in batch.items.splitlines()]
                artifacts.emit("counts", "".join(json.dumps(count) + "\n" for count in words).encode())
        return b""

    def finish(self, partials, config: str):
        return []


def ask_for_everything():
    tell("arguments", lambda: len(sys.argv))
    tell("environment", lambda: len(os.environ))
    tell("list /", lambda: os.listdir("/"))
    tell("read /etc/passwd", lambda: open("/etc/passwd").read())
    tell("write /tmp/x", lambda: open("/tmp/x", "w").write("x"))
    tell("input", lambda: sys.stdin.read())
    tell("tcp out", lambda: socket.socket().connect(("127.0.0.1", 80)))
    tell("tcp in", lambda: socket.create_server(("127.0.0.1", 0)))
    tell("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53)))
    tell("name", lambda: socket.getaddrinfo("localhost", 80))
    tell("day", lambda: int(time.time()))
    tell("slept", sleep)
    tell("random", lambda: os.urandom(8).hex())


def sleep():
    before = time.monotonic()
    time.sleep(3_600)
    return round(time.monotonic() - before)


def tell(what, ask):
    try:
        answer = repr(ask())
    except Exception as error:
        answer = type(error).__name__
    log.write(log.Level.INFO, f"{what}: {answer}")

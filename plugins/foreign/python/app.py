"""An analyser in Python, over the bare bindings: counts the words of each document."""

import json

from wit_world import exports
from wit_world.exports import manifest
from wit_world.imports import artifacts

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
        for port in inputs:
            while batch := port.items.next(0):
                words = [{"words": len(json.loads(line)["content"].split())} for line in batch.items.splitlines()]
                artifacts.emit("counts", "".join(json.dumps(count) + "\n" for count in words).encode())
        return b""

    def finish(self, partials, config: str):
        return []

"""From a block of lines to Arrow batches: picks the decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from toolkit.reference import Reference

if TYPE_CHECKING:
    from toolkit.blocks import Block, Decoded, Plan


class Decoder(Protocol):
    """Turns blocks into batches; both decoders give the same rows and rejects."""

    name: str

    def decode(self, block: Block) -> Decoded:
        """Decode the lines of a block."""


# The compiled kernel comes with a later version; until then there is one decoder.
DECODER = Reference.name


def make_decoder(plan: Plan) -> Decoder:
    """Return the fastest decoder that is installed."""
    return Reference(plan)

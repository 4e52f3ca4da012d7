"""The command `toolkit`, also as python -m toolkit: Ctrl-C ends it without a word."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED = 130


def main() -> None:
    """Run the command and exit."""
    wants_interrupts = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if wants_interrupts:
        signal.signal(signal.SIGINT, leave)  # nothing is begun: nothing to clear away
    # Imported here: it takes a while, in which Ctrl-C may come.
    from toolkit.cli.app import main as run

    try:
        if wants_interrupts:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        # All is done but to go: no thread that still ends is to speak of it.
        with suppress(KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def leave(_number: int, _frame: FrameType | None) -> None:
    """End at once."""
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()

"""The command `toolkit`, also `python -m toolkit`: Ctrl-C ends it quietly."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED = 130
_GC_THRESHOLD = 400_000  # objects


def main() -> None:
    """Run the command and exit."""
    # A command is short: looking for garbage every 700 objects takes a tenth of it.
    gc.set_threshold(_GC_THRESHOLD)
    wants_interrupts = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if wants_interrupts:
        signal.signal(signal.SIGINT, _exit)  # nothing has begun yet
    # Imported here: it takes a while, and Ctrl-C may come meanwhile.
    from toolkit.cli.app import main as run

    is_interrupted = False
    try:
        if wants_interrupts:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = _report
        run()
    except BaseException as error:
        is_interrupted = _is_interrupt(error)
        if not is_interrupted:
            raise
    finally:
        # Everything is done: threads that end now must not report Ctrl-C.
        with suppress(KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Python would look at each object once more before it ends.
        gc.freeze()
    if is_interrupted:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # a closed pipe, or a closed stream
                stream.flush()
        # Threads of polars that are still at work may abort the end of Python.
        os._exit(INTERRUPTED)


def _is_interrupt(error: BaseException) -> bool:
    """Return whether an error is Ctrl-C, or the panic of polars that it caused."""
    is_panic = type(error).__name__ == "PanicException"
    is_over_interrupt = is_panic and "KeyboardInterrupt" in str(error)
    return is_over_interrupt or isinstance(error, KeyboardInterrupt)


def _exit(_number: int, _frame: FrameType | None) -> None:
    """Exit at once."""
    os._exit(INTERRUPTED)


def _report(error: sys.UnraisableHookArgs) -> None:
    """Report an error in a finalizer, but not Ctrl-C: polars raises it once more."""
    if not isinstance(error.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(error)


if __name__ == "__main__":
    main()

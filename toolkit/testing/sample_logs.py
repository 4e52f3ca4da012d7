"""Sample logs, with the variety of real logs: `sample_lines`, `write_sample`.

A line is a response of one of the models in `dialects`, with at most one of `QUIRKS`;
a few are a whole stream.
Chance comes from `random.Random.random` alone, whose sequence never changes between
versions of Python, and numbers come from IEEE arithmetic: the same arguments give the
same bytes everywhere.
"""

from __future__ import annotations

import json
import math
import os
import sys
from bisect import bisect
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from gzip import GzipFile
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from toolkit import system
from toolkit.errors import WriteError
from toolkit.testing.dialects import FLEET, LATER_FLEET, Dice, Json, Model
from toolkit.testing.quirks import (
    ENCODERS,
    ODDS,
    PLAIN,
    REQUIRED,
    STREAMS,
    WRAPS,
    Quirk,
    Stream,
    half,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_START = datetime(2026, 10, 1, tzinfo=UTC)
_DAYS = 45
_ALL_QUIRKS = 500  # from this number of lines on, a sample has every quirk
_THIRD_WEEK = 14  # days after the start
_WEEKDAYS = (100, 104, 106, 102, 92, 24, 18)  # volume, Monday first
_HOURS = [4, 3, 2, 2, 3, 6, 14, 34, 62, 80, 86, 78]  # volume of each hour, UTC
_HOURS += [64, 76, 88, 84, 70, 48, 30, 22, 18, 14, 10, 6]


def _iter_seconds(lines: int, start: datetime, days: int, dice: Dice) -> Iterator[int]:
    """Yield seconds since `start`: mostly rising, most in working hours."""
    clock = (start.astimezone(UTC) + timedelta(hours=hour) for hour in range(24 * days))
    volumes = [_WEEKDAYS[hour.weekday()] * _HOURS[hour.hour] for hour in clock]
    reached = list(accumulate(volumes))
    for line in range(lines):
        volume = (line + dice.random()) / lines * reached[-1]
        hour = bisect(reached, volume, hi=len(reached) - 1)
        logged = (hour + 1 - (reached[hour] - volume) / volumes[hour]) * 3600
        # A line is logged when its response is complete; `created` is when it began.
        yield min(max(int(logged) - dice.size(4), 0), days * 86_400 - 1)


def _place_quirks(lines: int, dice: Dice) -> dict[int, Quirk]:
    """Return the quirks of certain lines: no quirk at both ends, each one somewhere."""
    ends = {0: PLAIN, lines - 1: PLAIN}
    if lines < _ALL_QUIRKS:
        return ends
    gap = lines // len(REQUIRED)
    quirks = enumerate(sorted(REQUIRED, key=lambda _: dice.random()))
    return ends | {gap * k + dice.pick(range(1, gap)): quirk for k, quirk in quirks}


def _build_response(model: Model, dice: Dice) -> Json:
    """Return an ordinary response of `model`."""
    prompt, text = dice.size(model.prompt), dice.text(model.sentences)
    reasoning = dice.size(model.reasoning) if model.reasoning else 0
    completion = reasoning + 1 + len(text) // 4
    usage: Json = {"prompt_tokens": prompt, "completion_tokens": completion}
    usage["total_tokens"] = prompt + completion
    if reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    small, message = dice.pick(range(1000)), {"role": "assistant", "content": text}
    response = {
        "id": model.id.format(code=dice.code(), now=dice.now, small=small),
        "object": "chat.completion",
        "created": dice.now,
        "model": model.name,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    }
    model.add_dialect(response, dice)
    return response


def _build_line(quirk: Quirk, dice: Dice) -> bytes:
    """Return a line, without its LF."""
    fleet = FLEET if dice.day < _THIRD_WEEK else LATER_FLEET
    dice.model = quirk.model or dice.pick(fleet)
    response = _build_response(dice.model, dice)
    quirk.change(response, dice)
    wrap, write = quirk.wrap or dice.pick(WRAPS), quirk.encoder or dice.pick(ENCODERS)
    line = write(wrap(response, dice)).encode()
    return quirk.damage(line, dice) if quirk.damage else line


def _as_stream(line: bytes, streams: list[tuple[int, Stream]]) -> bytes:
    """Return a line as a whole stream if it is a bare response."""
    response = json.loads(line)
    if "choices" not in response:
        return line
    return ENCODERS[0](streams.pop(0)[1](response)).encode()


def _iter_lines(lines: int, dice: Dice, start: datetime, days: int) -> Iterator[bytes]:
    """Yield the lines, without their LF."""
    first, placed = math.ceil(start.timestamp()), _place_quirks(lines, dice)
    streams = list(enumerate(STREAMS, start=1)) if lines >= _ALL_QUIRKS else []
    gap = lines // (len(STREAMS) + 1)
    for number, elapsed in enumerate(_iter_seconds(lines, start, days, dice)):
        dice.now, dice.day = first + elapsed, elapsed // 86_400
        quirk = placed.get(number) or dice.pick(ODDS)
        line = _build_line(quirk, dice)
        if quirk is PLAIN and (number % 64 == 0 or not dice.earlier_line):
            dice.earlier_line = line
        elif quirk is PLAIN and streams and number >= gap * streams[0][0]:
            line = _as_stream(line, streams)
        yield line


def sample_lines(
    lines: int, *, seed: int = 0, start: datetime = _START, days: int = _DAYS
) -> Iterator[bytes]:
    """Yield the lines of a sample log, the same for the same arguments.

    Parameters
    ----------
    lines
        Number of physical lines. The first and the last are ordinary. From 500 lines
        on, the log has every quirk, every model and streams.
    seed
        Selects one of many logs.
    start
        When the log begins, with a time zone.
    days
        Length of the log. From the third week on, one more model is used.

    Returns
    -------
    Iterator[bytes]
        Lines without their LF. One in a hundred is a reject, some are blank, and some
        end in CR.

    Raises
    ------
    ValueError
        If `start` has no time zone or `days` is less than 1.

    Examples
    --------
    >>> sum(line.startswith(b'{"id":') for line in sample_lines(3))
    3
    """
    if start.tzinfo is None or days < 1:
        expected = "expected a start with a time zone and 1 day or more"
        message = f"{expected}, got {start!r} and {days}"
        raise ValueError(message)
    return _iter_lines(lines, Dice(seed), start, days)


@contextmanager
def _open_target(
    to: str | os.PathLike[str] | BinaryIO,
) -> Iterator[Callable[[bytes], object]]:
    """Create a file, compressed according to its name, and yield its `write`."""
    if not isinstance(to, str | os.PathLike):
        yield to.write
        return
    path = Path(to)
    try:
        with system.create_whole(path) as file:
            if path.suffix == ".gz":
                with GzipFile("", "wb", fileobj=file, mtime=0) as gz:
                    yield gz.write
            elif path.suffix == ".zst":
                checked: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}
                with zstd.ZstdFile(file, "w", options=checked) as zst:
                    yield zst.write
            else:
                yield file.write
    except OSError as error:
        raise WriteError(str(to), cause=error) from error


def write_sample(
    to: str | os.PathLike[str] | BinaryIO,
    lines: int,
    *,
    seed: int = 0,
    start: datetime = _START,
    days: int = _DAYS,
    torn: bool = False,
) -> None:
    r"""Write a sample log, with LF at the end of each line.

    Parameters
    ----------
    to
        A new file, which appears when it is complete, compressed if it ends in ``.gz``
        or ``.zst``; or a file object.
    lines, seed, start, days
        As in `sample_lines`.
    torn
        Write only the first half of the last line, without LF, as in a log whose writer
        was stopped.

    Raises
    ------
    WriteError
        If the file exists already or cannot be written.

    Examples
    --------
    >>> from io import BytesIO
    >>> log = BytesIO()
    >>> write_sample(log, 3, torn=True)
    >>> log.getvalue().count(b"\n")
    2
    """
    sample = sample_lines(lines, seed=seed, start=start, days=days)
    with _open_target(to) as write:
        for number, line in enumerate(sample, start=1):
            write(half(line) if torn and number == lines else line + b"\n")

"""Words of a command line: parsed, checked and explained."""

from __future__ import annotations

import argparse
import errno
import os
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from toolkit.cli.output import print_result
from toolkit.errors import OptionError, ToolkitError, WriteError, near_miss

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _typeshed import SupportsWrite

_WIDEST = 80
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_VALUES = {"tags": "PATH", "colors": "COLOR", "columns": "COLUMN"}


class UsageError(ToolkitError):
    """A command line that cannot be run."""


def fail(sentence: str) -> NoReturn:
    """Raise an error about how a command was called."""
    raise UsageError(sentence)


class Option(NamedTuple):
    """An option of a command, or, without a flag, one of its arguments."""

    parameter: str
    flag: str
    metavar: str
    help: str
    kind: str
    is_required: bool

    @property
    def typed(self) -> str:
        """What a user calls it."""
        return self.flag or self.metavar

    def declare(self, parser: argparse.ArgumentParser, *, is_first: bool) -> None:
        """Add the option to a parser.

        The first argument may be missing: the error about that lists its values.
        """
        facts: dict[str, Any] = {"default": argparse.SUPPRESS}
        facts["help"] = self.help.replace("%", "%%")
        if self.kind == "switch":
            facts["action"] = "store_true"
        else:
            facts["metavar"] = self.metavar
            facts["type"] = Path if self.kind == "file" else str
        if not self.flag:
            one = "?" if is_first else None
            facts["nargs"] = "*" if self.kind == "texts" else one
            parser.add_argument(self.parameter, **facts)
            return
        if self.kind == "texts":
            facts["action"] = "append"
        parser.add_argument(self.flag, dest=self.parameter, **facts)


def parse_words(
    command: str, text: str, options: Iterable[Option], words: Sequence[str]
) -> dict[str, Any]:
    """Return the parameters that are set by the words behind the name of a command.

    `text` is the first line of its help.
    """
    options = [*options]
    arguments = [
        one.metavar + "..." * (one.kind == "texts") for one in options if not one.flag
    ]
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    parser = _Parser(
        usage=" ".join(["toolkit", command, "[OPTIONS]", *arguments]),
        description=text,
        formatter_class=partial(argparse.HelpFormatter, width=width),
        allow_abbrev=False,
    )
    first = next((one for one in options if not one.flag), None)
    for one in options:
        one.declare(parser, is_first=one is first)
    values, rest = parser.parse_known_intermixed_args(words)
    for word in rest:
        if word.startswith("-"):
            fail(f"no option {word!r}{near_miss(word, [one.flag for one in options])}")
    if rest:
        fail(f"expected no more arguments, got {' '.join(rest)!r}")
    return vars(values)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors and help are written as those of the other commands."""

    def error(self, message: str) -> NoReturn:
        """Raise an error about how a command was called."""
        fail(message.removeprefix("argument "))

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help to stdout."""
        del file
        print_result(self.format_help().rstrip())


class RejectLimit:
    """How many rejected lines are allowed: a count, or a share in percent.

    Examples
    --------
    >>> RejectLimit("0.1%").allows(20, of=20_000), RejectLimit("10").allows(11, of=99)
    (True, False)
    """

    def __init__(self, text: str) -> None:
        try:
            self._number = float(text.removesuffix("%"))
        except ValueError:
            self._number = -1
        most = 100 if text.endswith("%") else float("inf")
        if not 0 <= self._number <= most or self._number == float("inf"):
            expected = "a count or a share: 10 or 0.1%"
            raise OptionError("max_rejects", text, expected=expected)
        self._text = text

    def __str__(self) -> str:
        """Return the limit as it was given."""
        return self._text

    def allows(self, rejected: int, *, of: int) -> bool:
        """Return whether that many rejected lines are allowed."""
        if self._text.endswith("%"):
            return rejected <= of * self._number / 100
        return rejected <= self._number


def parse_pairs(option: str, given: Sequence[str] | dict[str, str]) -> dict[str, str]:
    """Parse texts NAME=VALUE, as --tag and --color take them; a table stays."""
    if isinstance(given, dict):  # of the settings file
        return given
    # A name of a model may have the sign in it, a colour has not.
    split = str.rpartition if option == "colors" else str.partition
    pairs = [split(text, "=") for text in given]
    for name, equals, value in pairs:
        if not (name and equals and value):
            expected = f"NAME={_VALUES[option]}"
            raise OptionError(option, f"{name}{equals}{value}", expected=expected)
    check_unique([name for name, _, _ in pairs], option, "each name once")
    return {name: value for name, _, value in pairs}


def check_unique(
    values: Sequence[str], option: str = "", expected: str = "each once"
) -> None:
    """Check that no value occurs twice."""
    for value in values:
        if values.count(value) > 1:
            raise OptionError(option, value, expected=expected, hint=" twice")


def parse_number(option: str, text: str, least: int | None = None) -> int:
    """Parse a whole number, of at least `least`."""
    try:
        number: int | None = int(text)
    except ValueError:
        number = None
    if number is None or (least is not None and number < least):
        at_least = "" if least is None else f" of at least {least}"
        raise OptionError(option, text, expected=f"a whole number{at_least}")
    return number


def parse_duration(text: str) -> float:
    """Parse a length of time and return its seconds: 30s, 10m, 2h."""
    number = text[:-1]
    if not (number.isascii() and number.isdigit() and text[-1:] in _SECONDS):
        raise OptionError("wait", text, expected="a length of time: 30s, 10m, 2h")
    return int(number) * _SECONDS[text[-1]]


def check_folder(path: str | os.PathLike[str]) -> None:
    """Check that the directory of a new file exists, and that it is no directory."""
    is_missing = not Path(path).parent.is_dir()
    if is_missing or Path(path).is_dir():
        number = errno.ENOENT if is_missing else errno.EISDIR
        cause = OSError(number, os.strerror(number))
        raise WriteError(os.fspath(path), cause=cause)

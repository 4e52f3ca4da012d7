"""Words of a command line: the values of a command's parameters, and its help."""

from __future__ import annotations

import argparse
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from toolkit.cli.output import print_result
from toolkit.errors import ToolkitError, near_miss

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _typeshed import SupportsWrite

_WIDEST = 80


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

    def declare(self, parser: argparse.ArgumentParser) -> None:
        """Add the option to a parser."""
        facts: dict[str, Any] = {"default": argparse.SUPPRESS}
        facts["help"] = self.help.replace("%", "%%")
        if self.kind == "switch":
            facts["action"] = "store_true"
        else:
            facts["metavar"] = self.metavar
            facts["type"] = Path if self.kind == "file" else str
        if not self.flag:
            facts["nargs"] = "*" if self.kind == "texts" else None
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
    for one in options:
        one.declare(parser)
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

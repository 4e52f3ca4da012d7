"""Words of a command line: the values of a command's parameters, and its help."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from toolkit.cli.output import print_result
from toolkit.errors import ToolkitError, near_miss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _typeshed import SupportsWrite

_WIDEST = 80
# How a value is made of what is typed or set in the settings file.
_KINDS: dict[str, Callable[[Any], Any]] = {
    "text": str,
    "texts": list,
    "file": Path,
    "switch": bool,
}


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


@dataclass
class Context:
    """What a command was called with."""

    command: str
    options: dict[str, Option]  # by parameter
    params: dict[str, Any]
    configured: set[str] = field(default_factory=set)  # by the settings file
    file: str | None = None  # with the settings
    is_above: bool = False  # whether that was found above this directory

    def fill_in(self, settings: dict[str, Any]) -> None:
        """Set what the command line leaves out; fail if something required is left."""
        for name, one in self.options.items():
            value = settings.get(name)
            if name in self.params:
                continue
            if value is not None:
                self.params[name] = _KINDS[one.kind](value)
                self.configured.add(name)
            elif one.is_required:
                fail(f"expected {one.flag or one.metavar} ({one.help}), got none")


class Command(NamedTuple):
    """A command: its options and arguments, and the function that gets the context."""

    name: str
    text: str  # of its help
    options: dict[str, Option]  # by parameter
    run: Callable[[Context], None]

    def __call__(self, words: Sequence[str]) -> None:
        """Run the command with the words behind its name."""
        values, rest = self._parser().parse_known_intermixed_args(words)
        for word in rest:
            if word.startswith("-"):
                flags = [one.flag for one in self.options.values()]
                fail(f"no option {word!r}{near_miss(word, flags)}")
        if rest:
            fail(f"expected no more arguments, got {' '.join(rest)!r}")
        self.run(Context(self.name, self.options, vars(values)))

    def _parser(self) -> _Parser:
        """Return what parses the words, and formats the help."""
        arguments = [
            one.metavar + "..." * (one.kind == "texts")
            for one in self.options.values()
            if not one.flag
        ]
        width = min(shutil.get_terminal_size().columns, _WIDEST)
        parser = _Parser(
            usage=" ".join(["toolkit", self.name, "[OPTIONS]", *arguments]),
            description=self.text,
            formatter_class=partial(argparse.HelpFormatter, width=width),
            allow_abbrev=False,
        )
        for one in self.options.values():
            one.declare(parser)
        return parser


class _Parser(argparse.ArgumentParser):
    """A parser whose errors and help are written as those of the other commands."""

    def error(self, message: str) -> NoReturn:
        """Raise an error about how a command was called."""
        fail(message.removeprefix("argument "))

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help to stdout."""
        del file
        print_result(self.format_help().rstrip())

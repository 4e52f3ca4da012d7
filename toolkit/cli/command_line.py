"""Words of a command line: the values of a command's parameters, and its help."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from toolkit.cli.output import print_result
from toolkit.errors import ToolkitError, near_miss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HELP = ("-h", "--help")
_NARROWEST = 30  # lines of what an option means
# How a value is made of what is typed or set in the settings file.
_KINDS: dict[str, Callable[[Any], Any]] = {
    "text": str,
    "texts": list,
    "file": Path,
    "switch": bool,
}


class UsageError(ToolkitError):
    """A command line that says nothing to a command."""


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

    def put(self, text: Any, values: dict[str, Any]) -> None:
        """Set a value as it is typed, or add it to those that are there."""
        if self.kind == "texts":
            values.setdefault(self.parameter, []).append(text)
        else:
            values[self.parameter] = _KINDS[self.kind](text)


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
        options = {one.flag: one for one in self.options.values()}
        values: dict[str, Any] = {}
        places: list[str] = []
        rest = iter(words)
        for word in rest:
            flag, equals, value = word.partition("=")
            if word == "--":
                places += rest
            elif word == "-" or not word.startswith("-"):
                places.append(word)
            elif word in _HELP:
                print_result(self.help())
                return
            elif flag not in options:
                fail(f"no option {flag!r}{near_miss(flag, options)}")
            elif options[flag].kind == "switch":
                if equals:
                    fail(f"{flag}: expected no value, got {value!r}")
                options[flag].put(True, values)
            else:
                text = value if equals else next(rest, None)
                if text is None:
                    fail(f"{flag}: expected a value, got none")
                options[flag].put(text, values)
        self._place(places, values)
        self.run(Context(self.name, self.options, values))

    def _place(self, words: list[str], values: dict[str, Any]) -> None:
        """Set the arguments; one of several words leaves those of the others."""
        arguments = [one for one in self.options.values() if not one.flag]
        for following, one in reversed([*enumerate(reversed(arguments))]):
            most = max(len(words) - following, 0) if one.kind == "texts" else 1
            for word in words[:most]:
                one.put(word, values)
            del words[:most]
        if words:
            fail(f"expected no more arguments, got {' '.join(words)!r}")

    def help(self) -> str:
        """Return the help, as wide as the terminal, but not wider than 80."""
        usage = ["Usage: toolkit", self.name, "[OPTIONS]"]
        rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for one in self.options.values():
            name = f"{one.flag} {one.metavar}".strip()
            rows["Options" if one.flag else "Arguments"].append((name, one.help))
            if not one.flag:
                usage.append(name + "..." * (one.kind == "texts"))
        rows["Options"].append((", ".join(_HELP), "print this help"))
        lines = [" ".join(usage), f"\n  {self.text}"]
        for heading, entries in rows.items():
            lines += [f"\n{heading}:"] * bool(entries)
            width = max((len(name) for name, _ in entries), default=0) + 4
            room = min(shutil.get_terminal_size().columns, 80) - width
            for name, text in entries:
                first, *others = wrap(text, max(room, _NARROWEST))
                lines.append(f"  {name:{width - 2}}{first}")
                lines += [f"{'':{width}}{line}" for line in others]
        return "\n".join(lines)

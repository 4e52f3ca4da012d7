"""Sentences about wrong usage that the parser of the command line finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.errors import near_miss

if TYPE_CHECKING:
    from typer import TyperException

_SURPLUS = "Got unexpected extra argument(s) ("


def usage_sentence(error: TyperException) -> str:
    """Return what is wrong with a command line, in one sentence.

    The classes of these errors are not public: they are recognized by their attributes.
    """
    facts = vars(error)
    if "param_type" in facts:
        return _missing(facts["param"])
    if "possibilities" in facts:
        parameters = facts["ctx"].command.params
        known = [name for one in parameters for name in one.opts if name[:1] == "-"]
        name = facts["option_name"]
        return f"no option {name!r}{near_miss(name, known)}"
    if name := facts.get("option_name"):
        is_flag = error.message.endswith("does not take a value.")
        return f"{name}: expected {'no value' if is_flag else 'a value, got none'}"
    if error.message.startswith(_SURPLUS):
        surplus = error.message.removeprefix(_SURPLUS).removesuffix(")")
        return f"expected no more arguments, got {surplus!r}"
    if parameter := facts.get("param"):
        return f"{_name_of(parameter)}: {error.message}"
    return error.message


def _missing(parameter: Any) -> str:
    """Return the sentence about an argument or an option that must be given."""
    explained = f" ({parameter.help})" if parameter.help else ""
    return f"expected {_name_of(parameter)}{explained}, got none"


def _name_of(parameter: Any) -> str:
    """Return an option as it is typed, or the name of an argument in the help."""
    name = str(parameter.opts[0])
    return name if name.startswith("-") else str(parameter.metavar or name)

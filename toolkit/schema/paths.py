"""Parse and format the paths of values in a line."""

from __future__ import annotations

import json
import re

from toolkit.errors import OptionError

_STEP = re.compile(
    r"""(?:^|\.)(?P<name>[A-Za-z_][A-Za-z0-9_]*)|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]"""
)


def parse_path(path: str, *, option: str = "path") -> tuple[str, ...]:
    """Parse a path into its keys: ``a.b``, or ``a["b.c"]`` for any other key.

    Examples
    --------
    >>> parse_path('metadata["cost.center"].team')
    ('metadata', 'cost.center', 'team')
    """
    keys: list[str] = []
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            expected = 'a path such as metadata.team or metadata["cost center"]'
            raise OptionError(option, path, expected=expected)
        keys.append(step["name"] or json.loads(step["quoted"]))
        at = step.end()
    if not keys:
        raise OptionError(option, path, expected="at least one key")
    return tuple(keys)


def write_path(keys: tuple[str | int, ...]) -> str:
    """Format keys and positions as the rejects table shows them.

    Examples
    --------
    >>> write_path(("response", "choices", 1, "cost center"))
    'response.choices[1]["cost center"]'
    """
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
            text += f".{key}" if text else key
        else:
            text += f"[{json.dumps(key)}]"
    return text

"""Bodies with a value at any path that an API declares."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.schema.api import Api, Test
    from toolkit.schema.paths import Items, Path, Steps

# Of each type that a test may ask for; "5" is a string, a label and a time.
_VALUES = {
    **{"": "5", "string": "5", "filled": "5", "boolean": True, "object": {}},
    **{"objects": [], "list": [], "empty": []},
}


class Hop(NamedTuple):
    """Keys to a value, and the items if that is a list; of a word if they have one."""

    keys: tuple[str, ...]
    items: Items | None = None
    word: str = ""

    def new_item(self) -> dict[str, Any]:
        """Return an item that the path goes on into."""
        if self.items is None or not self.items.key or self.items.without:
            return {}
        return {self.items.key: self.word or True}

    def other_item(self) -> dict[str, Any]:
        """Return an item that the path does not go on into."""
        if self.items and self.items.without:
            return {self.items.key: True}
        return {self.items.key: "other"} if self.word else {}


Route = tuple[Hop, ...]


def routes(steps: Steps) -> Iterator[Route]:
    """Yield each way from where a path starts to one of its ends."""
    items = steps.items
    for word in (items and items.words) or ("",):
        hop = Hop(steps.keys, items, word)
        if items is None or not items.then:
            yield (hop,)
        for then in items.then if items else ():
            for rest in routes(then):
                yield (hop, *rest)


def put(holder: Any, route: Route, value: object, *, other: int = -1) -> Any:
    """Put a value at the end of a route, and return the object that has it.

    At the end of a route that ends at an item nothing is put into it. The item of the
    hop number `other` is one that the path does not go on into.
    """
    for number, hop in enumerate(route):
        *above, last = hop.keys
        for key in above:
            holder = _child(holder, key, {})
        if hop.items is None:
            holder[last] = value
            return holder
        items = _child(holder, last, [])
        item = hop.other_item() if number == other else hop.new_item()
        holder = items[0] if items and not hop.items.key else item
        items[:] = [holder, *(one for one in items if one is not holder)]
    return holder


def _child(holder: Any, key: str, default: Any) -> Any:
    """Return the object or list at a key, made if it is another value."""
    if not isinstance(holder.get(key), type(default)):
        holder[key] = default
    return holder[key]


def smallest(api: Api, tests: tuple[Test, ...]) -> dict[str, Any]:
    """Return the smallest body that passes tests; of those that must not hold none."""
    body: dict[str, Any] = {api.choices: [{}]} if api.choices else {}
    for test in tests:
        if test.expected and test.path.steps.keys != (api.choices,):
            value = test.words[0] if test.words else deepcopy(_VALUES[test.type])
            put(start(body, api, test.path), next(routes(test.path.steps)), value)
    return body


def start(body: dict[str, Any], api: Api, path: Path) -> Any:
    """Return where in a body a path starts."""
    return body[api.choices][0] if path.root == "choice" and api.choices else body

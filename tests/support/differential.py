"""Both decoders over the same bytes: what the one says, the other says, to the byte.

A longer run, which stops at the first disagreement::

    python -m tests.support.differential 100      # a hundred rounds, seeds 1 to 100
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from random import Random
from typing import Any

import pyarrow as pa

from tests.reading.test_fuzz import LIMIT, MUTATIONS, mutated_lines
from tests.support.bodies import BODIES
from tests.support.oracle import CANDIDATES
from toolkit.reading.blocks import Block, Decoded, Plan, as_pieces, make_plan
from toolkit.reading.decoder import _Kernel
from toolkit.reading.reference_decoder import Reference
from toolkit.testing import make_response

LINES = 10_000  # of a round, half of them from `tests.reading.test_fuzz`

# --- Plans: the options that shape rows -----------------------------------------------

TAGS = {
    "team": "metadata.team",
    "id": "custom_id",
    "deep": 'metadata["cost.center"].code',
    "odd": '["caf\\u00e9 \\"q\\" \\u007f"]',
    "empty": '[""]',
}
PLANS: dict[str, Plan] = {
    "default": make_plan(),
    "short lines": make_plan(max_line_bytes=LIMIT),
    "drop": make_plan(content="drop"),
    "tags": make_plan(tags=TAGS),
    "tags in tags": make_plan(tags={"team": "metadata.team", "all": "metadata"}),
    "drop, tags": make_plan(content="drop", tags=TAGS, created_unit="us"),
    "response_path": make_plan(response_path="response"),
    "a nested response_path": make_plan(response_path="response.body", tags=TAGS),
    "a quoted response_path": make_plan(response_path='data["caf\\u00e9 q"]'),
    "ms": make_plan(created_unit="ms"),
    "us": make_plan(created_unit="us"),
    "ns": make_plan(created_unit="ns"),
}

# --- What the decoders say, side by side ----------------------------------------------


class DisagreementError(AssertionError):
    """The decoders disagree."""

    def __init__(self, *parts: str) -> None:
        super().__init__("\n".join(parts))


def block_of(data: bytes, **fields: Any) -> Block:
    """Build a block of these bytes, by default the first of a log."""
    size = len(data)
    place = {"log_id": 0, "source": "made.jsonl", "line": 1, "offset": 0}
    return Block(
        **{
            **place,
            "pieces": as_pieces(data),
            "bytes": size,
            "position": size,
            **fields,
        }
    )


def joined(lines: Sequence[bytes]) -> bytes:
    """Join lines, each with its line feed."""
    return b"".join(line + b"\n" for line in lines)


_DECODERS: dict[int, tuple[Plan, Reference, _Kernel]] = {}


def decoders(plan: Plan) -> tuple[Reference, _Kernel]:
    """Return both decoders of a plan, the same each time."""
    if id(plan) not in _DECODERS:
        _DECODERS[id(plan)] = plan, Reference(plan), _Kernel(plan)
    return _DECODERS[id(plan)][1:]


def agreed(block: Block, plan: Plan) -> Decoded:
    """Return what both decoders say of a block, or raise where they say different."""
    reference, kernel = decoders(plan)
    expected, found = reference.decode(block), kernel.decode(block)
    said = difference(expected, found)
    if said is not None:
        raise DisagreementError(said, culprit(block, plan))
    return found


def agreed_lines(lines: Sequence[bytes], plan: Plan | None = None) -> Decoded:
    """Return what both decoders say of a block of these lines."""
    return agreed(block_of(joined(lines)), plan or PLANS["default"])


def difference(expected: Decoded, found: Decoded) -> str | None:
    """Return where two decoders differ first: the reference, then the kernel."""
    for table in ("choices", "rejects", "chunk_rows"):
        one, other = getattr(expected, table), getattr(found, table)
        if one is None or other is None:
            said = None if one is other else f"{one!r:.300}, the kernel {other!r:.300}"
        else:
            said = first_cell(one, other)
        if said is not None:
            return f"{table}, {said}"
    names = ("log_id", "source", "bytes", "position", "lines", "blank", "pending")
    for name in (*names, "duplicates", "chunks"):
        one, other = getattr(expected, name), getattr(found, name)
        if one != other:
            return f"{name}: the reference {one!r}, the kernel {other!r}"
    return None


def first_cell(expected: pa.RecordBatch, found: pa.RecordBatch) -> str | None:
    """Return the first cell in which two batches differ."""
    try:
        found.validate(full=True)
    except pa.ArrowInvalid as error:
        return f"the kernel's batch is not valid: {error}"
    if not found.schema.equals(expected.schema, check_metadata=True):
        return f"the schema: the reference {expected.schema}, the kernel {found.schema}"
    lines = [batch.column("line").to_pylist() for batch in (expected, found)]
    if lines[0] != lines[1]:
        row, (one, other) = next(
            (row, pair)
            for row, pair in enumerate(zip_longest(*lines))
            if pair[0] != pair[1]
        )
        return f"row {row} is of another line: the reference {one}, the kernel {other}"
    for name, *columns in zip(
        expected.schema.names, expected.columns, found.columns, strict=True
    ):
        one, other = map(bits, columns)
        if not one.equals(other):
            row = next(
                row for row in range(len(one)) if not one[row].equals(other[row])
            )
            cells = [shown(column[row].as_py()) for column in columns]
            place = f"column {name}, row {row} of line {lines[0][row]}"
            return f"{place}: the reference {cells[0]}, the kernel {cells[1]}"
    return None


def bits(column: pa.Array) -> pa.Array:
    """Return a column of floats by their bits, in which -0.0 and NaN are themselves."""
    return column.view(pa.int64()) if pa.types.is_floating(column.type) else column


def shown(cell: object) -> str:
    """Write a cell, cut if it is long."""
    text = repr(cell)
    return text if len(text) <= 300 else f"{text[:300]}... ({len(text)} characters)"


# --- The line at fault, and the least of it that still is -----------------------------


def culprit(block: Block, plan: Plan) -> str:
    """Return which lines of a block disagree by themselves, and shrink one."""
    ends = block.data.split(b"\n")
    lines = [block.data[-len(ends[-1]) :]] if ends[-1] else []
    lines = [line + b"\n" for line in ends[:-1]] + lines
    odd = [line for line in lines if alone(line, block, plan)]
    if not odd:
        return f"No line of the {len(lines)} disagrees alone: {block.data[:2000]!r}"
    least = shrunk(min(odd, key=len), block, plan)
    said = alone(least, block, plan)
    count = f"{len(odd)} of {len(lines)} lines disagree"
    return f"{count}, for one\n{least!r:.2000}\n{said}"


def alone(line: bytes, block: Block, plan: Plan) -> str | None:
    """Return how the decoders differ over one line."""
    reference, kernel = decoders(plan)
    single = block_of(line, tail=not line.endswith(b"\n"), growing=block.growing)
    return difference(reference.decode(single), kernel.decode(single))


def shrunk(line: bytes, block: Block, plan: Plan) -> bytes:
    """Cut pieces out of a line as long as the decoders disagree over the rest."""
    size, tries = len(line) // 2, 500
    while size and tries > 0:
        start = 0
        while start < len(line) and tries > 0:
            less = line[:start] + line[start + size :]
            tries -= 1 + len(less) // 1000
            if b"\n" not in less[:-1] and alone(less, block, plan):
                line = less
            else:
                start += size
        size //= 2
    return line


# --- Lines that the fast path takes, and attacks on them ------------------------------

# All that is read, each in its plainest form.
PLAIN: dict[str, Any] = make_response(
    provider="router",
    service_tier="flex",
    system_fingerprint="fp_1",
    choices=[
        {
            "index": place,
            "finish_reason": "stop",
            "native_finish_reason": "end_turn",
            "message": {
                "role": "assistant",
                "content": 'café \U0001f33b \\ " \u0000 / [{',
                "reasoning_content": "why",
                "refusal": "",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a": 1}'},
                    },
                    {"id": "", "type": None, "function": {"name": "g"}},
                ],
            },
            "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -1}]},
        }
        for place in range(2)
    ],
    usage={
        "prompt_tokens": 10,
        "completion_tokens": 5.0,
        "total_tokens": 15,
        "prompt_tokens_details": {
            "cached_tokens": 1,
            "cache_write_tokens": 2,
            "audio_tokens": 3,
        },
        "completion_tokens_details": {
            "reasoning_tokens": 9,
            "audio_tokens": 10,
            "accepted_prediction_tokens": 11,
            "rejected_prediction_tokens": 12,
        },
        "cost": 0.0125,
    },
    metadata={"team": "red", "cost.center": {"code": 5}},
)
SAID: dict[str, Any] = {"choices": [{"message": {"content": "a"}}], "id": "i"}
ASKED: dict[str, Any] = {
    "custom_id": 7,
    "request": {"body": {"model": "b"}, "model": "m"},
    "metadata": {"team": True},
    "": "e",
}
COSTED = {**PLAIN, "usage": {**PLAIN["usage"], "cost": {"total_cost": 1e-3}}}
RESPONSES = (
    *(PLAIN, SAID, COSTED, make_response(), make_response(n=3)),
    make_response(choices=[{"message": {"role": "a", "function_call": {}}}]),
    make_response(choices=[{"message": {"content": None, "reasoning": "b"}}]),
    {"object": "", "choices": [{"message": {}}, {"delta": {}}], "created": "5"},
)


def wrapped(path: str, response: object, **beside: object) -> bytes:
    """Write a response at a path of an envelope, between other keys."""
    keys = path.split(".")
    for key in reversed(keys[1:]):
        response = {"a": 1, key: response, "z": {}}
    return json.dumps({**ASKED, keys[0]: response, **beside}).encode()


# By the name of the API.
BODY_SEEDS: dict[str, list[bytes]] = {
    name: [json.dumps(body).encode() for body in bodies]
    + [
        wrapped(CANDIDATES[place % len(CANDIDATES)], body)
        for place, body in enumerate(bodies)
    ]
    for name, bodies in BODIES.items()
}
SEEDS: tuple[bytes, ...] = (
    *(json.dumps(response).encode() for response in RESPONSES * 4),
    *(json.dumps(response, ensure_ascii=False).encode() for response in RESPONSES),
    *(wrapped(path, SAID) for path in CANDIDATES),
    *(wrapped(path, PLAIN, last="}", l2={"choices": 5}) for path in CANDIDATES),
    *(wrapped(path, json.dumps(SAID)) for path in CANDIDATES),
)
EVERY_SEED = (*SEEDS, *chain.from_iterable(BODY_SEEDS.values()))

# Whatever may stand for a value, and whatever may not.
SIGNS = ("", "-")
POWERS = (2**31, 2**32, 2**53, 2**63, 2**64, 10**12, 10**15, 10**19, 10**20, 10**21)
NUMBERS = (
    *("0", "-0", "0.0", "-0.0", "0e0", "-0e5", "0.0E-5", "0e+0", "1", "-1", "5"),
    *("5.0", "50e-1", "5e0", "5E+0", "1e3", "1E3", "1e+3", "1e-3", "1.5", "-1.5"),
    "0.1",
    *(
        f"{sign}{power + step}"
        for power in POWERS
        for step in (-1, 0, 1)
        for sign in SIGNS
    ),
    *("1e12", "1e13", "1e15", "1e18", "1e19", "1e20", "1e308", "1e309", "-1e309"),
    *("1e400", "-1e400", "1e-400", "-1e-400", "5e-324", "2e-324", "3e-324"),
    *("1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308"),
    *("2.2250738585072011e-308", "2.2250738585072014e-308", "4.9e-324", "0.3e-323"),
    *("1e999999999999999999999", "1e-999999999999999999999", "0e999999999999999999999"),
    *("9" * 5000, "-" + "9" * 5000, "1" + "0" * 400, "0." + "1" * 5000),
    *("0." + "0" * 5000 + "1", "1" + "0" * 4000 + "e-4000", "1." + "0" * 5000 + "1"),
    *("0.30000000000000004", "123456789.123456789", "9007199254740993.0"),
    *("9007199254740992.5", "9007199254740993e0", "0.99999999999999999999"),
    *("5.00000000000000000001", "1000000000000.00000001", "1000000000000.5"),
    # Half of the way from 1 to the next double, and next to that.
    "1.00000000000000011102230246251565404236316680908203125",
    "1.00000000000000011102230246251565404236316680908203124",
    "1.00000000000000011102230246251565404236316680908203126",
    *("6929495644600919.5", "3.7455744005952583e15", "8.41e21", "1e23", "9.5e-300"),
)
NO_NUMBERS = (
    *("+1", "01", "-01", "00", "1.", ".5", "-.5", "-", "--1", "- 1", "1e", "1e+"),
    "1E-",
    *("1.e5", "1.5.5", "1e5e5", "1e5.5", "0x1", "1_0", "1a", "1 1", "1f", "0b1", "1L"),
    *("Infinity", "-Infinity", "NaN", "nan", "inf", "-a", "\u0661", "1\u00a0"),
    "1\ufeff",
)
TEXTS = (
    *('""', '"a"', '"5"', '"text"', '"thinking"', '"chat.completion.chunk"', '"null"'),
    *(r'"\""', r'"\\"', r'"\/"', r'"\b\f\n\r\t"', r'"A\u0041"', r'"\u0000"'),
    r'"\u001f"',
    *(r'"\u00e9"', r'"\u00E9"', r'"\ud83d\ude00"', r'"\uDBFF\uDFFF"', r'"\\ud800"'),
    *(r'"\\\\udc00"', r'"\ufffd\uffff"', r'"\u2028"', '"\u2028\x7f\u0085"', '"\u00e9"'),
    *('"\U0001f600"', '"' + "\u00e9" * 40 + '"', r'"\\"', r'"' + r"\\" * 33 + '"'),
    *('"{}"', '"[1]"', r'"{\"a\":1}"', r'"{\"choices\":[{\"message\":{}}]}"', '"}"'),
)
NO_TEXTS = (
    *(rb'"\ud800"', rb'"\uDBFF"', rb'"\udc00"', rb'"\uDFFF"', rb'"a\ud800b"'),
    *(rb'"\ud800\ud800"', rb'"\udc00\ud800"', rb'"\ud800\u0041"', rb'"\ud800\n"'),
    *(rb'"\ud800\\udc00"', rb'"\ud83d\ude00\ude00"', rb'"\\\ud800"'),
    rb'"\ud800\udbff"',
    *(rb'"\x41"', rb'"\u12"', rb'"\u12G4"', rb'"\u 041"', rb'"\U0041"', rb"\"a\""),
    *(rb'"\'"', rb'"\ "', rb'"\0"', rb'"\a"', rb'"\u"', rb'"\u+041"', rb"'a'", rb'"a'),
    *(rb'"\ud83d\u"', rb'"\ud83d\ude0"', rb'"\ud83d\uZZZZ"', rb'"\ud83dude00"'),
    b'"\\"',
    *(b'"' + bytes([code]) + b'"' for code in range(32) if code != 10),
    *(b'"%b"' % bad for bad in (b"\xff", b"\x80", b"\xc3", b"\xc0\xaf", b"\xe2\x82")),
    *(b'"%b"' % bad for bad in (b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80")),
    *(b'"%b"' % bad for bad in (b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80")),
    *(b"\xff", b"\xef\xbb\xbf", b"\xc3\xa9", b"\0", b"\x7f", b"\x0b", b"\x0c", b"\xa0"),
)
CONTAINERS = (
    *("{}", "[]", "[1]", "[{}]", "[null]", "[[]]", '{"a":1}', '{"":{}}'),
    '{"a":1,"a":2}',
    *('{"a":{"b":[{}]}}', '[{"type":"text","text":"t"}]', '[{"type":"text"}]'),
    "[[[]]]",
    *('[{"type":"thinking","thinking":"t"}]', '[{"type":"thinking","thinking":[]}]'),
    *('[{"logprob":-0.5},{"logprob":-0.0}]', '[{"logprob":1e308},{"logprob":1e308}]'),
    *('[{"logprob":-0.5},{"logprob":"1"}]', '[{"logprob":-1,"logprob":-2}]', "[5]"),
    *('[{"function":{"name":"f"}}]', '[{"custom":null}]', '[{"function":null}]', "{ }"),
    *('[{"id":"a","id":null}]', '{"name":"f","arguments":{}}', '{"content":[]}', "[ ]"),
)
NO_CONTAINERS = (
    *("[1,]", "[,]", "[,1]", "[1 1]", "[1", "]", "[}", "{,}", '{"a"}', '{"a":}'),
    '{"a":1,}',
    *("{:1}", "{1:1}", '{"a" 1}', '{"a":1 "b":1}', "{null:1}", '{"a"::1}', '{"a":1]'),
    "}{",
)
WORDS = ("null", "true", "false")
NO_WORDS = (
    *("nul", "nulll", "True", "truefalse", "tru", "nullnull", "n", "", " ", "1}", "1]"),
    *('"a""b"', "null,", "//", "/**/", "null true", "undefined"),
)
SOUND: tuple[bytes, ...] = tuple(
    text.encode() for text in (*NUMBERS, *TEXTS, *CONTAINERS, *WORDS)
)
BROKEN: tuple[bytes, ...] = (
    *(text.encode() for text in (*NO_NUMBERS, *NO_CONTAINERS, *NO_WORDS)),
    *NO_TEXTS,
)
VALUES = SOUND + BROKEN

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[^\s"{}\[\],:]++', re.DOTALL)
_SIGN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\],:]', re.DOTALL)
_SPACES = (b"", b"", b"", b" ", b"\t", b"\r", b" \t\r ", b" " * 33)


def replaced(random: Random, line: bytes) -> bytes:
    """Put any value in the place of a scalar or a key."""
    tokens = list(_TOKEN.finditer(line))
    if not tokens:
        return line
    token = random.choice(tokens)
    value = random.choice(random.choice([SOUND, SOUND, SOUND, BROKEN]))
    return line[: token.start()] + value + line[token.end() :]


def renumbered(random: Random, line: bytes) -> bytes:
    """Put another number in the place of each."""
    return re.sub(
        rb"(?<=: )-?[0-9][0-9.eE+-]*", lambda _: any_number(random).encode(), line
    )


def any_number(random: Random) -> str:
    """Write a number of up to 25 digits, a third of them with an exponent."""
    digits = str(random.randrange(10 ** random.randint(1, 25)))
    fraction = f".{random.randrange(10 ** random.randint(1, 25))}"
    exponent = f"{random.choice('eE')}{random.choice(['', '-', '+'])}"
    return (
        random.choice(["", "", "-"])
        + digits
        + random.choice(["", fraction])
        + random.choice(["", "", exponent + str(random.randint(0, 330))])
    )


def spread(random: Random, line: bytes) -> bytes:
    """Write white space around the signs of a line."""

    def spaced(sign: re.Match[bytes]) -> bytes:
        return random.choice(_SPACES) + sign[0] + random.choice(_SPACES)

    return _SIGN.sub(spaced, line)


def respelt(random: Random, line: bytes) -> bytes:
    """Write a letter of a string, perhaps a key, as its escape."""
    letters = list(re.finditer(rb"[a-z]", line))
    if not letters:
        return line
    at = random.choice(letters).start()
    return line[:at] + b"\\u%04x" % line[at] + line[at + 1 :]


ATTACKS = (*MUTATIONS, *[replaced] * 12, renumbered, renumbered, *[spread] * 4, respelt)


def attacked_lines(
    seed: int, count: int, seeds: Sequence[bytes] = SEEDS
) -> list[bytes]:
    """Build lines, each of none to three attacks on a plain one; none holds an LF."""
    random = Random(seed)
    lines = []
    for _ in range(count):
        line = random.choice(seeds)
        for _ in range(random.choice([0, 1, 1, 1, 2, 3])):
            if 0 < len(line) < 2 * LIMIT:
                line = random.choice(ATTACKS)(random, line)
        lines.append(line.replace(b"\n", b" "))
    return lines


# --- The longer run -------------------------------------------------------------------


# --- Runs of lines that are alike -----------------------------------------------------

DELTA: dict[str, Any] = {"choices": [{"delta": {}}], "object": "o", "id": "i"}
SINGLE = {**PLAIN, "choices": PLAIN["choices"][:1]}
LEARNED: tuple[bytes, ...] = (
    *(json.dumps(response).encode() for response in (*RESPONSES, SINGLE, DELTA)),
    json.dumps({**SINGLE, **ASKED}, ensure_ascii=False).encode(),
    *(wrapped(path, SINGLE) for path in ("response.body", "response", "body")),
)
_KEY_OR_SCALAR = re.compile(rb'"(?:[^"\\]|\\.)*+"(\s*:)?|-?[0-9][0-9.eE+-]*')


def _split_scalars(line: bytes) -> list[bytes]:
    """Return the pieces of a line; each second one is a string or number, no key."""
    pieces, end = [], 0
    for token in _KEY_OR_SCALAR.finditer(line):
        if token[1] is None:
            pieces += [line[end : token.start()], token[0]]
            end = token.end()
    return [*pieces, line[end:]]


def runs(seed: int, count: int, learned: Sequence[bytes] = LEARNED) -> Iterator[bytes]:
    """Yield lines of two kinds, with values that differ and a few that are odd."""
    random = Random(seed)
    kinds = []
    for line in random.sample(learned, 2):
        pieces = _split_scalars(line)
        varied = [at for at in range(1, len(pieces), 2) if random.random() < 0.4]
        kinds.append((pieces, varied))
    odds = random.choice([0, 0.005, 0.05])
    length = random.choice([1, 7, 30])
    for number in range(count):
        pieces, varied = kinds[number // length % 2]
        values = pieces[:]
        for at in varied:
            usual = b"%d" % random.randrange(1, 2000)
            values[at] = b'"%b"' % usual if values[at][:1] == b'"' else usual
            if random.random() < odds:
                values[at] = random.choice(random.choice([SOUND, VALUES]))
        yield b"".join(values).replace(b"\n", b" ")


def rounds(count: int) -> Iterator[Decoded]:
    """Compare so many rounds, each by another plan."""
    plans = list(PLANS.values())
    for seed in range(1, count + 1):
        lines = mutated_lines(seed, LINES // 2)
        lines += attacked_lines(seed, LINES // 2, EVERY_SEED)
        Random(seed).shuffle(lines)
        # A kernel that has met many odd lines tries no shapes: each round has its own.
        _DECODERS.clear()
        yield agreed_lines([*runs(seed, LINES // 10), *lines], plans[seed % len(plans)])


def run(count: int) -> None:
    """Compare a number of rounds, and print what the lines were."""
    found: Counter[str] = Counter()
    for decoded in rounds(count):
        found.update(decoded.rejects.column("code").to_pylist())
        found["responses"] += len(set(decoded.choices.column("line").to_pylist()))
    counts = dict(found.most_common())
    lines = count * (LINES + LINES // 10)
    sys.stdout.write(f"{lines:,} lines agree, among them {counts}\n")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 10)

"""The decoder against its definition: lines, JSON, rejects; any bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.decoding import decode_block as decode
from toolkit.reading.blocks import Block, as_pieces, make_plan
from toolkit.reading.decoder import make_decoder
from toolkit.schema import CHOICES, REJECT_CODES, REJECTS
from toolkit.testing import make_response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolkit.reading.blocks import Decoded

pytestmark = pytest.mark.both_decoders

SUITE = Path(__file__).parents[3] / "shared" / "JSONTestSuite" / "test_parsing"
FILES = sorted(SUITE.glob("*.json"))
GOOD = json.dumps(make_response()).encode()


def codes(data: bytes, *, tail: bool = False, **options: Any) -> list[str]:
    """Return the code of each reject."""
    rejects = decode(data, tail=tail, **options).rejects
    return rejects.column("code").to_pylist()


def outcome(line: bytes, **options: Any) -> str:
    """Return `ok` or the code of one line between two good ones that must survive."""
    decoded = decode(GOOD + b"\n" + line + b"\n" + GOOD + b"\n", **options)
    taken = decoded.choices.column("line").to_pylist()
    rejects = decoded.rejects.to_pylist()
    assert decoded.lines == 3
    assert {1, 3} <= set(taken)
    if 2 in taken:
        assert rejects == []
        return "ok"
    assert [reject["line"] for reject in rejects] == [2]
    return str(rejects[0]["code"])


def embed(value: bytes, key: bytes = b'"x"') -> bytes:
    """Write a good response with one more field, which no column reads."""
    return GOOD[:-1] + b"," + key + b":" + value + b"}"


# --- Lines (section 2) ---------------------------------------------------------------


@pytest.mark.parametrize("blank", [b"", b" ", b"\t", b"\r", b" \t\r", b"\r\r", b"\r "])
def test_a_line_of_space_tab_and_cr_is_blank(blank: bytes) -> None:
    decoded = decode(GOOD + b"\n" + blank + b"\n" + GOOD + b"\n")

    assert (decoded.lines, decoded.blank) == (3, 1)
    assert decoded.choices.column("line").to_pylist() == [1, 3]
    assert decoded.rejects.num_rows == 0


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"\x0c", "invalid_json"),
        (b"\x0b", "invalid_json"),
        (b"\0", "invalid_json"),
        ("\u00a0".encode(), "invalid_json"),
        ("\u2028".encode(), "invalid_json"),
        (b"\xff", "invalid_utf8"),
        (b"\xef\xbb\xbf" + GOOD, "invalid_json"),  # a mark is skipped at offset 0 only
    ],
)
def test_other_white_space_is_not_blank(line: bytes, code: str) -> None:
    assert outcome(line) == code


def test_lines_are_split_at_lf_only() -> None:
    text = "\u2028\u2029\u0085".encode()

    assert outcome(embed(b'"' + text + b'"')) == "ok"
    assert outcome(embed(b"\r1\r")) == "ok"
    assert outcome(GOOD + b"\r" + GOOD) == "invalid_json"


def test_rejects_have_the_exact_place_of_their_line() -> None:
    data = b"[1]\n\n  \xff\r\n" + GOOD + b"\r\n{}\r\r\nx\n"
    offset = 1000
    block = Block(7, "made.jsonl", as_pieces(data), 41, offset, len(data), len(data))

    decoded = make_decoder(make_plan()).decode(block)

    third = offset + 5
    good = third + 5
    fifth = good + len(GOOD) + 2
    expected = [
        (7, "made.jsonl", 41, offset, 3, "not_a_response", b"[1]"),
        (7, "made.jsonl", 43, third, 3, "invalid_utf8", b"  \xff"),
        (7, "made.jsonl", 45, fifth, 3, "not_a_response", b"{}\r"),  # one CR is dropped
        (7, "made.jsonl", 46, fifth + 5, 1, "invalid_json", b"x"),
    ]
    names = ("log_id", "source", "line", "offset", "length", "code", "raw")
    rejects = decoded.rejects.to_pylist()
    assert [tuple(reject[name] for name in names) for reject in rejects] == expected
    assert (decoded.lines, decoded.blank) == (6, 1)
    (row,) = decoded.choices.to_pylist()
    assert (row["log_id"], row["source"], row["line"]) == (7, "made.jsonl", 44)


def test_a_line_over_max_line_bytes_is_rejected_and_not_kept() -> None:
    size = len(GOOD)
    data = GOOD + b"\r\n" + GOOD + b" \n" + b"\xff" * (size + 2) + b"\n" + GOOD + b"\n"

    decoded = decode(data, max_line_bytes=size)

    assert decoded.choices.column("line").to_pylist() == [1, 4]
    names = ("line", "offset", "length", "code", "json_path", "raw")
    first = (2, size + 2, size + 1, "line_too_long", None, None)
    second = (3, 2 * size + 4, size + 2, "line_too_long", None, None)
    rejects = decoded.rejects.to_pylist()
    found = [tuple(reject[name] for name in names) for reject in rejects]
    assert found == [first, second]


def test_a_line_too_long_to_be_held_comes_without_data() -> None:
    block = Block(0, "made.jsonl", (), 9, 70, 5001, 5071, skipped=5000)

    decoded = make_decoder(make_plan(max_line_bytes=100)).decode(block)

    (reject,) = decoded.rejects.to_pylist()
    assert (reject["line"], reject["offset"], reject["length"]) == (9, 70, 5000)
    assert (reject["code"], reject["raw"]) == ("line_too_long", None)
    assert (decoded.lines, decoded.choices.num_rows) == (1, 0)


# --- The last line -------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"", b" ", b"\r", b"\n", b"\r\n"])
def test_a_last_line_that_is_a_whole_object_is_taken(end: bytes) -> None:
    decoded = decode(GOOD + b"\n" + GOOD + end, tail=True)

    assert decoded.choices.column("line").to_pylist() == [1, 2]
    assert (decoded.lines, decoded.blank, decoded.rejects.num_rows) == (2, 0, 0)


@pytest.mark.parametrize("cut", [1, 2, 20, len(GOOD) // 2, len(GOOD) - 1])
def test_any_other_unfinished_last_line_is_truncated(cut: int) -> None:
    decoded = decode(GOOD + b"\n" + GOOD[:cut], tail=True)

    (reject,) = decoded.rejects.to_pylist()
    assert (reject["code"], reject["raw"]) == ("truncated", GOOD[:cut])
    assert (reject["line"], reject["offset"]) == (2, len(GOOD) + 1)
    assert (reject["length"], decoded.lines) == (cut, 2)


@pytest.mark.parametrize(
    ("tail", "code"),
    [
        *((value, "truncated") for value in (b"12", b"[1]", b'"a"', b"true", b"nul")),
        (GOOD + b"}", "truncated"),
        (b'{"a":"\\ud800"}', "truncated"),
        (b'{"error":"e"}', "error_response"),
        (b"{}", "not_a_response"),
        (b'{"a":"\xff', "invalid_utf8"),
        (b"[" * 513, "too_deep"),
    ],
)
def test_the_checks_of_a_last_line_run_in_the_same_order(
    tail: bytes, code: str
) -> None:
    assert codes(tail, tail=True) == [code]


def test_a_broken_line_before_the_last_or_with_its_lf_is_invalid_json() -> None:
    assert codes(b"{\n{\n{", tail=True) == ["invalid_json", "invalid_json", "truncated"]
    assert codes(b"{\n", tail=True) == ["invalid_json"]


# --- JSON (section 3) ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"\xff" + b"[" * 1000, "line_too_long"),
        (b"[" * 513 + b"\xff", "invalid_utf8"),
        (b"[" * 513 + b"x", "too_deep"),
        (b'{"choices":[{}],"error":1,}', "invalid_json"),
        (b'{"choices":[1],"id":5}', "not_a_response"),
        (b'{"choices":[{"index":"a"}],"id":5}', "wrong_type"),
    ],
)
def test_the_first_check_that_fails_decides(line: bytes, code: str) -> None:
    assert outcome(line, max_line_bytes=1000) == code


@pytest.mark.parametrize(
    ("first", "last"),
    [(b'"model":5', b'"model":"b"'), (b'"model":"a"', b'"mod\\u0065l":"b"')],
)
def test_the_last_value_of_a_duplicate_key_counts(first: bytes, last: bytes) -> None:
    line = (
        b'{"object":"o","choices":[],' + first + b"," + last + b',"choices":[{},{}]}\n'
    )

    assert decode(line).choices.column("model").to_pylist() == ["b", "b"]


def test_a_last_null_of_a_duplicate_key_counts_too() -> None:
    again = b'"usage":{"total_tokens":1,"total_tokens":null,"prompt_tokens":3}'

    (row,) = decode(GOOD[:-1] + b"," + again + b"}\n").choices.to_pylist()

    assert (row["total_tokens"], row["completion_tokens"]) == (None, None)
    assert row["prompt_tokens"] == 3


LONE = [
    *(rb"\ud800", rb"\uDBFF", rb"\udc00", rb"\uDFFF", rb"a\ud800b"),
    *(rb"\ud800\ud800", rb"\udc00\ud800", rb"\ud800\u0041", rb"\ud800\\udc00"),
    *(rb"\ud83d\ude00\ude00", rb"\ud800\n", rb"\\\ud800"),
]
PAIRED = [rb"\ud83d\ude00", rb"\uDBFF\uDFFF", rb"\\ud800", rb"\\\\udc00", rb"\ufffd"]


@pytest.mark.parametrize("escape", LONE)
def test_a_lone_surrogate_is_an_error_anywhere(escape: bytes) -> None:
    text = b'"' + escape + b'"'

    assert outcome(embed(text)) == "invalid_json"
    assert outcome(embed(b'[{"a":' + text + b"}]")) == "invalid_json"
    assert outcome(embed(b"1", key=text)) == "invalid_json"
    assert outcome(embed(b"{" + text + b":1}")) == "invalid_json"
    assert outcome(embed(text, key=b'"id"')) == "invalid_json"
    assert outcome(embed(text + b',"x":1')) == "invalid_json"  # the last "x" is fine


@pytest.mark.parametrize("escape", PAIRED)
def test_a_surrogate_pair_and_an_escaped_backslash_are_fine(escape: bytes) -> None:
    text = b'"' + escape + b'"'

    assert outcome(embed(text)) == "ok"
    assert outcome(embed(b"1", key=text)) == "ok"
    assert outcome(embed(text, key=b'"id"')) == "ok"


@pytest.mark.parametrize(
    "value", [b"1e400", b"-1e400", b"1e-400", b"9" * 5000, b"0." + b"1" * 5000, b"-0"]
)
def test_unread_fields_hold_any_number(value: bytes) -> None:
    assert outcome(embed(value)) == "ok"
    assert outcome(embed(b'{"a":[' + value + b"]}")) == "ok"


@pytest.mark.parametrize(
    "value",
    [
        *(b"NaN", b"Infinity", b"-Infinity", b"nan", b"01", b"1.", b".5", b"+1", b"1e"),
        *(b"0x1", b"True", b"'a'", b"[1,]", b'{"a":1,}', b"{a:1}", b"[1 2]", b"// c"),
        *(b'"\t"', b'"\0"', b'"\x1f"', b'"\\x41"', b'"\\u12"', b'"\\u 041"', b'"a'),
        *(b"-", b"", b"1 1", b"}", b"1}{", b"[}", b"\x0c1", "\ufeff1".encode()),
    ],
)
def test_json_is_strict_in_unread_fields_too(value: bytes) -> None:
    assert outcome(embed(value)) == "invalid_json"


@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b' [ {"a": ', b" } ] ")]
)
def test_nesting_goes_to_512_levels(opening: bytes, closing: bytes) -> None:
    levels = opening.count(b"[") + opening.count(b"{")
    inner = 511 // levels  # the response itself is level 1

    def deep(more: int) -> bytes:
        rest = 511 - inner * levels + more
        core = b"[" * rest + b"]" * rest if rest else b"1"
        return embed(opening * inner + core + closing * inner)

    assert outcome(deep(0)) == "ok"
    assert outcome(deep(1)) == "too_deep"


@pytest.mark.parametrize(
    "text", [b"[" * 600, b'\\"' + b"[{" * 600, b"\\\\\\\\" + b"}]{[" * 600]
)
def test_brackets_in_strings_are_no_levels(text: bytes) -> None:
    assert outcome(embed(b'"' + text + b'"')) == "ok"


def test_brackets_side_by_side_are_no_levels() -> None:
    assert outcome(embed(b"[" + b"[]," * 2000 + b"{}]")) == "ok"


@pytest.mark.parametrize(
    "line",
    [
        *(b"[" * 513, b"[" * 100_000, b"[" * 5_000_000, b'{"a":' * 5_000),
        *(b"[" * 513 + b"]" * 513, b'"\\\\"' + b"[" * 513, b"nonsense" + b"[" * 513),
        embed(b"[" * 5_000_000 + b"]" * 5_000_000),
    ],
    ids=lambda line: f"{len(line)}-bytes",
)
def test_too_deep_takes_precedence_over_invalid_json(line: bytes) -> None:
    assert outcome(line) == "too_deep"


def test_512_levels_of_nonsense_are_invalid_json() -> None:
    assert outcome(b"[" * 512) == "invalid_json"


@pytest.mark.parametrize(
    "bad",
    [
        *(b"\xff", b"\x80", b"\xc3", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf"),
        *(
            b"\xed\xa0\x80",
            b"\xed\xbf\xbf",
            b"\xf4\x90\x80\x80",
            b"\xf8\x88\x80\x80\x80",
        ),
    ],
)
def test_invalid_utf8_is_an_error_anywhere(bad: bytes) -> None:
    text = b'"' + bad + b'"'

    assert outcome(bad) == "invalid_utf8"
    assert outcome(embed(text)) == "invalid_utf8"
    assert outcome(embed(b"1", key=text)) == "invalid_utf8"
    assert outcome(embed(text, key=b'"id"')) == "invalid_utf8"
    assert outcome(embed(b"1 " + bad)) == "invalid_utf8"
    assert outcome(GOOD + bad) == "invalid_utf8"


# --- The JSON suite ------------------------------------------------------------------

needs_suite = pytest.mark.skipif(
    not FILES, reason="2026-11-23: shared/JSONTestSuite is not beside the project"
)


def named(prefix: str) -> Iterable[tuple[str, bytes]]:
    """Yield the name and the bytes of each file of a kind."""
    for path in FILES:
        if path.name.startswith(prefix):
            yield path.stem, path.read_bytes()


@needs_suite
def test_no_file_of_the_suite_is_a_response() -> None:
    for name, data in named(""):
        decoded = decode(data.replace(b"\n", b" ") + b"\n")

        assert decoded.choices.num_rows == 0, name
        assert decoded.blank + decoded.rejects.num_rows == 1, name


@needs_suite
def test_what_the_suite_accepts_may_be_in_an_unread_field() -> None:
    for name, data in named("y_"):
        for space in (b" ", b"\r"):
            assert outcome(embed(data.replace(b"\n", space))) == "ok", name


@needs_suite
def test_what_the_suite_refuses_is_refused_in_an_unread_field() -> None:
    for name, data in named("n_"):
        # CR, which no string may hold either: a space would mend an unescaped newline.
        code = outcome(embed(data.replace(b"\n", b"\r")))

        assert code in ("invalid_utf8", "too_deep", "invalid_json"), name


@needs_suite
def test_what_the_suite_leaves_open_is_taken_or_rejected() -> None:
    for name, data in named("i_"):
        code = outcome(embed(data.replace(b"\n", b" ")))

        assert code in ("ok", "invalid_utf8", "too_deep", "invalid_json"), name


# --- Laws over any bytes -------------------------------------------------------------

KEYS = st.sampled_from(
    [
        "choices",
        "message",
        "usage",
        "content",
        "id",
        "created",
        "model",
        "index",
        "response",
        "body",
        "error",
        "delta",
        "object",
        "logprobs",
        "tool_calls",
        "",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES | st.builds(make_response, n=st.integers(0, 3)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)
RESPONSES = st.dictionaries(KEYS, VALUES, max_size=3).map(
    lambda fields: make_response(**fields)
)
DUMPED = (VALUES | RESPONSES).map(lambda value: json.dumps(value).encode())


CUTS = st.integers(0, 4)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    line = draw(DUMPED)
    start = draw(st.integers(0, len(line)))
    return line[:start] + draw(st.binary(max_size=4)) + line[start + draw(CUTS) :]


LINES = st.binary(max_size=30) | DUMPED | mutated()
LOGS = st.lists(LINES, max_size=6).map(lambda lines: b"".join(x + b"\n" for x in lines))


@settings(deadline=None)
@given(log=LOGS, rest=LINES)
@example(log=b":\n", rest=b"[DONE]")
def test_any_bytes_are_rows_or_rejects_or_blank(log: bytes, rest: bytes) -> None:
    decoded = decode(log + rest, tail=True)

    responses = set(decoded.choices.column("line").to_pylist())
    for row in decoded.chunk_rows.to_pylist() if decoded.chunk_rows else ():
        if row["chunk_position"] is not None:  # of a whole stream on the line
            responses.add(row["line"])
    rejected = decoded.rejects.column("line").to_pylist()
    pieces = (log + rest).split(b"\n")
    physical = len(pieces) - (pieces[-1] == b"")
    accounted = decoded.blank + len(responses) + decoded.chunks + len(rejected)
    assert decoded.lines == accounted
    assert responses.isdisjoint(rejected)
    assert len(set(rejected)) == len(rejected)
    assert decoded.lines == physical
    assert set(decoded.rejects.column("code").to_pylist()) <= set(REJECT_CODES)


@settings(deadline=None)
@given(log=LOGS)
def test_the_schemas_are_the_declared_ones_whatever_the_input(log: bytes) -> None:
    decoded = decode(log)

    decoded.choices.validate(full=True)
    decoded.rejects.validate(full=True)
    assert decoded.choices.schema.equals(CHOICES.arrow, check_metadata=True)
    assert decoded.rejects.schema.equals(REJECTS.arrow, check_metadata=True)
    for table, batch in ((CHOICES, decoded.choices), (REJECTS, decoded.rejects)):
        never = [column.name for column in table.columns if not column.nullable]
        assert [name for name in never if batch.column(name).null_count] == []


@settings(deadline=None)
@given(log=LOGS)
def test_rejects_written_back_as_lines_are_rejected_alike(log: bytes) -> None:
    names = ["code", "json_path", "reason", "raw"]
    rejects = decode(log).rejects.select(names)
    raws = rejects.column("raw").to_pylist()

    again = decode(b"".join(raw + b"\r\n" for raw in raws))

    assert again.rejects.select(names).to_pylist() == rejects.to_pylist()


@settings(deadline=None)
@given(log=LOGS)
def test_a_log_cut_into_blocks_of_one_line_gives_the_same_rows(log: bytes) -> None:
    whole = decode(log)

    lines = [line + b"\n" for line in log.split(b"\n")[:-1]]
    parts = [decode(line) for line in lines]

    def cells(decoded: Decoded) -> list[dict[str, object]]:
        rows = decoded.choices.to_pylist() + decoded.rejects.to_pylist()
        return [{**row, "line": 0, "offset": 0} for row in rows]

    assert sum(part.lines for part in parts) == whole.lines
    assert sum(part.blank for part in parts) == whole.blank
    one_by_one = [row for part in parts for row in cells(part)]
    assert sorted(map(repr, one_by_one)) == sorted(map(repr, cells(whole)))

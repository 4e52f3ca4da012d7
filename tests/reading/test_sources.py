"""What the user names is resolved once: logs, exports, Parquet files, or choices."""

from __future__ import annotations

import inspect
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import toolkit
from toolkit.errors import OptionError, OptionTypeError, UnknownOptionError
from toolkit.reading import sources as module
from toolkit.reading.discovery import Logs
from toolkit.reading.options import READ_PARAMETERS
from toolkit.reading.sources import Exports, ParquetFiles, choices_of, resolve
from toolkit.testing import make_choices, make_response

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = '{"object":"chat.completion","choices":[{"message":{"content":"SECRET"}}]}\n'


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    (folder / "logs").mkdir()
    lines = [json.dumps(make_response(id=str(n))) for n in range(20)]
    (folder / "logs" / "a.jsonl").write_text("\n".join([*lines, "{}", ""]))
    toolkit.export(folder / "logs", to=folder / "out")
    return folder / "out"


@pytest.mark.parametrize(
    "function",
    [
        toolkit.check,
        toolkit.spending,
        toolkit.rejects,
        toolkit.scan,
        toolkit.ledger,
        toolkit.metrics.log_health,
        lambda out: toolkit.plot("token_usage", out),
        lambda out: toolkit.write_report(out, out.parent / "report.html"),
    ],
    ids=["check", "spending", "rejects", "scan", "ledger", "health", "plot", "report"],
)
def test_an_export_is_resolved_once_and_its_state_is_read_once(
    out: Path, monkeypatch: pytest.MonkeyPatch, function: Callable[[Path], object]
) -> None:
    resolved, read = [], []
    real_names, real_text = module.list_names, Path.read_text

    def list_names(sources: Any) -> list[str]:
        resolved.append(sources)
        return real_names(sources)

    def read_text(path: Path, *args: Any, **options: Any) -> str:
        if path.name == "state.json":
            read.append(path)
        return real_text(path, *args, **options)

    monkeypatch.setattr(module, "list_names", list_names)
    monkeypatch.setattr(Path, "read_text", read_text)

    function(out)

    assert resolved == [out]
    assert read == [out / "state.json"]


def test_each_kind_of_source_is_distinguished(out: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.parquet"
    toolkit.export(out.parent / "logs", to=one)

    assert isinstance(resolve(out), Exports)
    assert isinstance(resolve(one), ParquetFiles)
    logs = resolve(out.parent / "logs")
    assert isinstance(logs, Logs)
    assert resolve(logs) is logs


def test_names_may_come_from_any_iterable(out: Path) -> None:
    logs = out.parent / "logs"

    log = toolkit.load(path for path in sorted(logs.iterdir()))

    assert log.choices.num_rows == toolkit.load(logs).choices.num_rows > 0


def test_a_tilde_is_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jsonl").write_text(SECRET)
    toolkit.export(tmp_path / "a.jsonl", to=tmp_path / "out")
    monkeypatch.setenv("HOME", str(tmp_path))

    for name in ("~/a.jsonl", Path("~/a.jsonl"), ["~/*.jsonl"], "~/out"):
        assert toolkit.scan(name).collect().height == 1  # type: ignore[arg-type]
    assert toolkit.load("~/a.jsonl").ledger["source"].item() == f"{tmp_path}/a.jsonl"
    assert toolkit.ledger("~/out").height == 1


@pytest.mark.parametrize(
    "function", [toolkit.load, toolkit.scan, toolkit.check, toolkit.rejects]
)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (io.StringIO(SECRET), "got StringIO: give its path, not the open file"),
        (io.BytesIO(SECRET.encode()), "got BytesIO: give its path"),
        (SECRET.encode(), "got bytes: give the path of a file, as str"),
        (make_choices({"content": "SECRET"}), "got DataFrame: it holds choices"),
        (pl.LazyFrame({"SECRET": [1]}), "got LazyFrame: it holds choices"),
        ({"SECRET": 1}, "got dict"),
        (None, "got NoneType"),
        ([SECRET.encode()], "got bytes in the list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_name_of_a_log_is_one_sentence_without_content(
    function: Callable[[object], object], given: object, words: str
) -> None:
    with pytest.raises(OptionTypeError) as caught:
        function(given)

    message = str(caught.value)
    assert message.startswith(
        "sources: expected a path, a directory, a glob, or a list"
    )
    assert words in message
    assert "SECRET" not in message
    assert "\n" not in message


def test_a_loaded_log_is_not_loaded_again(out: Path) -> None:
    log = toolkit.load(out.parent / "logs")

    with pytest.raises(OptionTypeError, match="got Loaded: it holds choices"):
        toolkit.load(log)  # type: ignore[arg-type]


def test_tags_in_a_list_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(SECRET)

    for function in (toolkit.load, toolkit.check):
        with pytest.raises(OptionTypeError, match=r"^tags: .* got list$"):
            function(tmp_path, tags=["team"])
    with pytest.raises(OptionTypeError, match=r"^tags: .* got list$"):
        toolkit.export(tmp_path, to=tmp_path / "out", tags=["team"])  # type: ignore[arg-type]


def test_choices_in_memory_are_distinguished_from_names() -> None:
    frame = make_choices({})

    assert choices_of(frame) is frame
    assert choices_of(frame.to_arrow()) is not None
    assert choices_of(lazy := frame.lazy()) is lazy
    for names in ("logs/", Path("logs"), ["a", "b"], ("a",), iter("a")):
        assert choices_of(names) is None


READERS = [
    toolkit.spending,
    toolkit.explain,
    toolkit.plot,
    toolkit.overview,
    toolkit.write_report,
    toolkit.metrics.measure,
    toolkit.load,
    toolkit.batches,
    toolkit.scan,
    toolkit.check,
    toolkit.rejects,
    toolkit.write_rejects,
    toolkit.export,
]


@pytest.mark.parametrize("function", READERS, ids=lambda function: function.__name__)
def test_every_reader_shows_and_explains_the_options_of_reading(
    function: Callable[..., object],
) -> None:
    parameters = inspect.signature(function).parameters
    lines = (function.__doc__ or "").splitlines()

    assert "options" not in parameters
    assert "**options" not in lines
    for name, parameter in READ_PARAMETERS.items():
        default = parameters[name].default
        assert default == parameter.default or (function, name) == (
            toolkit.check,
            "on_damage",
        )
        first = parameter.description.splitlines()[0]
        assert lines[lines.index(name) + 1] == f"    {first}"
    assert "" in lines[lines.index("progress") + 2 :][:1]


def test_an_unknown_option_is_an_error_that_names_a_near_one(tmp_path: Path) -> None:
    for function in (toolkit.load, toolkit.scan, toolkit.check, toolkit.rejects):
        with pytest.raises(UnknownOptionError, match=r"has no option 'tag' .*'tags'"):
            function(tmp_path, tag={})  # type: ignore[call-arg]


@pytest.mark.parametrize("option", ["tags", "content", "max_line_bytes"])
def test_an_export_refuses_options_of_logs(out: Path, option: str) -> None:
    value = {"tags": {"a": "b"}, "content": "drop", "max_line_bytes": 9}[option]

    for function in (toolkit.scan, toolkit.check, toolkit.rejects):
        with pytest.raises(OptionError, match=f"{option}: .*keeps the options"):
            function(out, **{option: value})  # type: ignore[operator]


def test_the_first_line_that_is_skipped_is_named_first(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = SECRET.encode()
    path.write_bytes(b"{}\n" + good + b'{"object":\n' * 3)

    with pytest.warns(toolkit.errors.RejectsWarning) as warned:
        log = toolkit.load(path)

    (warning,) = warned
    assert str(warning.message) == (
        f"4 of 5 lines skipped: 3 invalid_json, 1 not_a_response; first: {path}:1 "
        "(not_a_response); list them with toolkit.rejects()"
    )
    assert log.rejects.equals(toolkit.rejects(path))


@pytest.mark.parametrize(
    ("text", "count"),
    [('{"id": "SECRET"}', "16"), ('[1]\n"SECRET"', "12"), ("SECRET" * 900, "5,400")],
)
def test_the_text_of_a_log_is_no_path_and_is_not_shown(text: str, count: str) -> None:
    words = f"sources: expected a path, got text of {count} characters that is no path"

    for given in (text, [text]):
        for function in (toolkit.load, toolkit.scan, toolkit.ledger, toolkit.check):
            with pytest.raises(OptionError, match=f"^{words}$"):
                function(given)


def test_a_file_may_have_a_name_like_json(tmp_path: Path) -> None:
    log = tmp_path / "{1}\n.jsonl"
    log.write_text("\n")

    assert toolkit.load(log).ledger["blank"].to_list() == [1]


@pytest.mark.parametrize("path", ["metadata..team", ""])
def test_a_wrong_path_names_its_option(path: str) -> None:
    with pytest.raises(OptionError, match=rf"^tags: .* got '{path}'$"):
        toolkit.load("data/sample", tags={"team": path})
    with pytest.raises(OptionError, match=rf"^response_path: .* got '{path}'$"):
        toolkit.load("data/sample", response_path=path)


def test_rejects_of_a_loaded_log_are_its_attribute(out: Path) -> None:
    with pytest.raises(OptionTypeError, match=r"its rejects are log\.rejects"):
        toolkit.rejects(toolkit.load(out.parent / "logs"))  # type: ignore[arg-type]

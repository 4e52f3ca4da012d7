"""Families of models: names that were seen in logs."""

from __future__ import annotations

import polars as pl
import pytest

from toolkit.errors import OptionError
from toolkit.expressions import FAMILY_RULES, model_family
from toolkit.testing import make_choices


def family(name: str | None, **options: object) -> object:
    """Return the family of one name."""
    choices = make_choices({"model": name})
    return choices.select(model_family(**options)).item()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("openai/gpt-4o", "gpt-4o"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("ft:gpt-4o-mini-2024-07-18:acme::7p4lURel", "gpt-4o-mini"),
        ("gpt-35-turbo", "gpt-3.5-turbo"),
        ("gpt-3.5-turbo-0613", "gpt-3.5-turbo"),
        ("gpt-4-0613", "gpt-4"),
        ("gpt-4-1106-preview", "gpt-4-turbo"),
        ("claude-3-5-sonnet-20241022", "claude-3.5-sonnet"),
        ("claude-3-5-sonnet@20240620", "claude-3.5-sonnet"),
        ("anthropic/claude-3.5-sonnet:beta", "claude-3.5-sonnet"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "claude-3.7-sonnet"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4.5"),
        ("gemini-2.5-pro-preview-05-06", "gemini-2.5-pro-preview"),
        ("o1-preview-2024-09-12", "o1-preview"),
        ("google/gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("mistral-large-2411", "mistral-large"),
        ("mistral-large-latest", "mistral-large"),
        ("/models/llama-3-8b.gguf", "llama-3-8b"),
        ("/models/Qwen2.5-7B-Instruct-Q4_K_M.gguf", "qwen2.5-7b-instruct"),
        ("C:\\models\\phi-3.Q5_0.gguf", "phi-3"),
        ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", "llama-3.3-70b-instruct"),
        ("qwen3:latest", "qwen3"),
        ("Qwen3-32B-Instruct-GGUF-Q4_K_M", "qwen3-32b-instruct"),
        ("meta/llama-3.3-70b-instruct-maas", "llama-3.3-70b-instruct"),
        ("gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash-preview"),
        ("openai:gpt-4o", "gpt-4o"),
        ("plugin:openai-codex:gpt-5.4", "gpt-5.4"),
        ("mistral:latest", "mistral"),
        # Sizes and versions are no dates.
        ("gemma3:4b", "gemma3:4b"),
        ("deepseek-v3", "deepseek-v3"),
        ("llama3-8b-8192", "llama3-8b-8192"),
        ("o1", "o1"),
        ("models/", "models/"),
        (None, None),
    ],
)
def test_names_of_one_model_are_one_family(
    name: str | None, expected: str | None
) -> None:
    assert family(name) == expected


def test_a_family_is_its_own_family() -> None:
    names = (
        "gpt-4o",
        "claude-3.5-sonnet",
        "llama-3-8b",
        "mistral-large",
        "gpt-4-turbo",
    )

    assert [family(name) for name in names] == list(names)


def test_a_table_of_rules_may_be_extended_before_and_behind() -> None:
    first = (("^acme-prod$", "openai/gpt-4o"), *FAMILY_RULES)
    last = (*FAMILY_RULES, ("^gpt-4o.*", "gpt-4o family"))

    assert family("acme-prod", rules=first) == "gpt-4o"
    assert family("gpt-4o-mini-2024-07-18", rules=last) == "gpt-4o family"
    assert family("GPT-X", rules=()) == "gpt-x"


def test_a_rule_that_is_not_a_pattern_is_an_error_before_anything_is_read() -> None:
    with pytest.raises(OptionError, match="no look-around"):
        model_family(rules=[("(", "")])


def test_families_are_the_same_eager_lazy_and_in_parts() -> None:
    names = ["openai/o1", None, "o1-2024-12-17", "o1"] * 50_000
    frame = pl.DataFrame({"requested_model": names})
    expected = ["o1", None, "o1", "o1"] * 50_000

    of = model_family("requested_model")

    assert frame.select(of).to_series().to_list() == expected
    streamed = frame.lazy().select(of).collect(engine="streaming")
    assert streamed.to_series().to_list() == expected
    assert frame.clear().select(of).schema == {"model_family": pl.String}

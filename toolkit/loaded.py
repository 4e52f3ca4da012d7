"""What `load` returns: logs as tables, and what it says of itself."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from toolkit import expressions
from toolkit.accounting import passed_over_words, reject_counts
from toolkit.errors import clean, plural
from toolkit.validation import validate


@dataclass(frozen=True, eq=False, repr=False)
class Loaded:
    """Logs as tables: what was read, what was refused, and the account of both.

    Attributes
    ----------
    choices
        One row per choice; see `toolkit.schema.CHOICES`.
    rejects
        One row per refused line, with its bytes; see `toolkit.schema.REJECTS`.
    ledger
        One row per log; see `toolkit.schema.LEDGER`.
    passed_over
        Files that a walk over a directory did not read, counted by ending.
    """

    choices: pa.Table
    rejects: pa.Table
    ledger: pl.DataFrame
    passed_over: dict[str, int] = field(default_factory=dict)

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The choices as a polars frame, passed by `toolkit.validate`."""
        return validate(pl.DataFrame(self.choices))

    @cached_property
    def responses(self) -> pl.DataFrame:
        """One row per response; see `toolkit.responses`."""
        return expressions.responses(self.frame)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hand the choices to any library that speaks Arrow."""
        return self.choices.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        """Return the number of rows of the choices."""
        return int(self.choices.num_rows)

    def __repr__(self) -> str:
        """Say in five lines what was read and what was not; in more what is wrong."""
        return "\n".join(f"{label:<11}{text}" for label, text in self.summary())

    def _repr_html_(self) -> str:
        """Say the same as a table."""
        rows = "".join(
            f'<tr><th style="text-align:left">{html.escape(label)}</th>'
            f'<td style="text-align:left">{html.escape(text)}</td></tr>'
            for label, text in self.summary()
        )
        return f"<table>{rows}</table>"

    def summary(self) -> list[tuple[str, str]]:
        """Return labels, each with its sentence: five, and one for each bad log."""
        return [(label, clean(text)) for label, text in self._sentences()]

    def _sentences(self) -> list[tuple[str, str]]:
        totals = self.ledger.sum().row(0, named=True)
        return [
            ("logs", self._logs(totals["bytes"] or 0)),
            ("lines", self._lines(totals)),
            ("tokens", self._tokens(totals)),
            ("set aside", self._set_aside(totals)),
            ("created", self._created()),
            *[("damaged", error) for error in self.ledger["error"].drop_nulls()],
            *self._hints(),
        ]

    def _hints(self) -> list[tuple[str, str]]:
        odd = self.ledger.filter(pl.col("hint").is_not_null())
        return [
            ("no log", f"{source} {hint}")
            for source, hint in odd.select("source", "hint").rows()
        ]

    def _logs(self, size: int) -> str:
        decoders = ", ".join(self.ledger["decoder"].unique(maintain_order=True))
        text = f"{plural(len(self.ledger), 'log')}, {size:,} bytes, decoder {decoders}"
        if self.passed_over:
            text += f"; {passed_over_words(self.passed_over)}"
        return text

    @staticmethod
    def _lines(totals: dict[str, int]) -> str:
        return (
            f"{plural(totals['lines'], 'line')} -> "
            f"{plural(totals['responses'], 'response')} -> "
            f"{plural(totals['choices'], 'choice')}; {totals['blank']:,} blank"
        )

    def _tokens(self, totals: dict[str, int]) -> str:
        usage = pl.DataFrame(self.choices.select(["choice_position", "total_tokens"]))
        silent = usage.filter(
            (pl.col("choice_position") == 0) & pl.col("total_tokens").is_null()
        ).height
        return (
            f"{totals['total_tokens']:,} total, {totals['prompt_tokens']:,} prompt, "
            f"{totals['completion_tokens']:,} completion, as reported; "
            f"{plural(silent, 'response')} without usage"
        )

    def _set_aside(self, totals: dict[str, int]) -> str:
        counts = reject_counts(self.rejects)
        errors = [place for code, _, place in counts if code == "error_response"]
        rejected = [
            f"{count:,} {code} (first {place})"
            for code, count, place in counts
            if code != "error_response"
        ]
        return (
            f"{plural(totals['duplicates'], 'duplicate')}, "
            f"{plural(totals['errors'], 'error')}"
            + (f" (first {errors[0]})" if errors else "")
            + f", {totals['rejected']:,} rejected"
            + (f": {', '.join(rejected)}" if rejected else "")
        )

    def _created(self) -> str:
        created = self.choices.column("created")
        first = pc.equal(self.choices.column("choice_position"), 0)
        undated = pc.sum(pc.and_(first, pc.is_null(created)), min_count=0).as_py()
        ends = pc.min_max(created).as_py()
        span = "no dates"
        if ends["min"] is not None:
            span = f"{ends['min']:%Y-%m-%d %H:%M} to {ends['max']:%Y-%m-%d %H:%M} UTC"
        return f"{span}; {undated:,} undated"

"""The picture of the report in the README shows the report of today."""

from __future__ import annotations

from tests.support.report_picture import (
    THEMES,
    fingerprint,
    shown_parts,
    stored_fingerprint,
)


def test_the_picture_in_the_readme_is_fresh() -> None:
    today = fingerprint(shown_parts())

    stored = {theme: stored_fingerprint(path) for theme, path in THEMES.items()}

    advice = "run `make gallery`, look at docs/report-light.png and -dark, commit them"
    assert stored == dict.fromkeys(THEMES, today), advice

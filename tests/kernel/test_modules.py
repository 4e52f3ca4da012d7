"""The modules of the crate import each other in no cycle."""

from __future__ import annotations

import graphlib
import re

from tests.conftest import ROOT

SOURCES = ROOT / "toolkit" / "kernel" / "src"


def test_the_modules_of_the_crate_import_each_other_in_no_cycle() -> None:
    graph = {
        path.stem: set(re.findall(r"\bcrate::(\w+)", path.read_text("utf-8")))
        for path in SOURCES.glob("*.rs")
    }

    order = list(graphlib.TopologicalSorter(graph).static_order())  # or CycleError

    assert order.index("line") < order.index("shapes") < order.index("fast")
    assert order[-1] == "lib"

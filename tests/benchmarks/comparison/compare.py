"""Read the twenty lines of ``log.jsonl`` with six tools: ``python compare.py``.

Each other tool is installed into a virtual environment of its own and used as its own
documentation shows. What the lines hold was worked out by hand: see ``WORKED``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

LOG = Path(__file__).with_name("log.jsonl")
BIN = "Scripts" if sys.platform == "win32" else "bin"
OTHERS = {
    "tokenbill": "",
    "llm-usage-report": "",
    "genai-prices": ", in a loop",
    "tokencost": ", in a loop",
    "duckdb": ", `ignore_errors`",
}


class Row(NamedTuple):
    """What a tool finds in the log."""

    calls: int
    tokens: int
    cost: float | None  # US dollars
    note: str  # on what is not in these figures


# What the calls of the log hold, worked out by hand: lines, tokens, cost in millionths
# of a dollar. Dollars per million tokens on 23 November 2026:
# gpt-4o 2.50 for the prompt, 1.25 from the cache, 10 for the answer;
# gpt-4o-mini 0.15 and 0.60, in a batch half of it; o4-mini 1.10 and 4.40;
# claude-sonnet-4-5 3, 0.30 from the cache, 3.75 to the cache, 15 for the answer;
# gemini-2.5-flash 0.30 and 2.50, thoughts too.
WORKED = (
    ("1", 1_000 + 100, 2_500 + 1_000),
    ("2", 1_000 + 900, 2_500 + 9_000),  # three choices, one usage
    ("3", 10_000 + 200, 2_000 * 2.50 + 8_000 * 1.25 + 2_000),  # 8,000 from the cache
    # Line 4 is line 1 again.
    ("5", 2_000 + 500, 300 + 300),
    ("6-9", 1_200 + 300, 3_000 + 3_000),  # a stream: its usage is on line 9
    # Line 10 is an error of the provider.
    ("11", 400 + 6_000 + 1_000 + 300, 1_200 + 1_800 + 3_750 + 4_500),
    ("12", 3_000 + 200 + 800, 900 + 1_000 * 2.50),  # Gemini counts thoughts apart
    ("13", 1_500 + 400, 3_750 + 4_000),
    ("14", 1_000 + 2_000, 1_100 + 8_800),  # 1,500 of the 2,000 are reasoning
    ("15", 20_000 + 1_000, (3_000 + 600) / 2),  # from a batch
    ("16", 2_000 + 300, 0),  # a private model: its price is unknown
    ("17", 0, 0),  # without usage: tokens and cost are unknown
    ("18", 500 + 120, 0),  # on a local machine: its price is unknown
    # Line 19 is Python's repr of a response, line 20 is cut off.
)
ANSWER = Row(
    len(WORKED),  # 13
    sum(tokens for _, tokens, _ in WORKED),  # 57,720
    sum(cost for _, _, cost in WORKED) / 1e6,  # 0.0727
    "3 calls without a price, 1 of them without usage; lines 10, 19, 20 are not read",
)


def toolkit(log: Path) -> Row:
    import toolkit

    with warnings.catch_warnings(
        action="ignore"
    ):  # it names the lines that are not read
        read = toolkit.load(log)
    cost = toolkit.metrics.cost(read, every=None, by=[]).row(0, named=True)
    lines = read.rejects["line"].to_list()
    return Row(
        cost["responses"],
        cost["total_tokens"],
        float(cost["cost"]),
        f"{cost['responses_unpriced']} calls without a price, "
        f"{cost['responses_without_usage']} of them without usage; "
        f"lines {', '.join(map(str, lines))} are not read",
    )


def tokenbill(log: Path) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        command = [Path(sys.executable).with_name("tokenbill")]
        ledger = ["--db", f"{folder}/ledger.db"]

        def run(*arguments: str) -> str:
            return subprocess.run(
                [*command, *arguments, *ledger, "--format", "json"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout

        ingested = json.loads(run("ingest", str(log)))
        bill = json.loads(run("bill", "--self", "--group-by", "model"))["bill"]
    coverage = bill["coverage"]
    rows = bill["breakdowns"][0]["rows"]
    counts = ("cache_read", "cache_write_5m", "cache_write_1h", "output")
    tokens = sum(
        row["tokens"][name] for row in rows for name in (*counts, "uncached_input")
    )
    return Row(
        sum(row["n_requests"] for row in rows),
        tokens,
        float(bill["exact"]["usd"]),
        f"{coverage['unpriced_inferences']} calls without a price; "
        f"{sum(entry['quarantined'] for entry in ingested['inputs'])} lines set aside",
    )


def llm_usage_report(log: Path) -> Row:
    command = Path(sys.executable).with_name("llm-usage-report")
    done = subprocess.run(
        [command, log, "--format", "json"], capture_output=True, text=True, check=True
    )
    rows = json.loads(done.stdout)
    return Row(
        sum(row["requests"] for row in rows),
        sum(value for row in rows for key, value in row.items() if "_tokens" in key),
        sum(row["estimated_cost_usd"] for row in rows),
        done.stderr.strip() or "nothing",
    )


def genai_prices(log: Path) -> Row:
    from genai_prices import extract_usage

    calls, tokens, cost, failed = 0, 0, 0.0, 0
    for line in log.read_text("utf-8").splitlines():
        try:
            response = json.loads(line)
            provider, flavor = "openai", "chat"
            if response.get("type") == "message":
                provider, flavor = "anthropic", "default"
            elif "usageMetadata" in response:
                provider, flavor = "google", "default"
            elif response.get("object") == "response":
                flavor = "responses"
            found = extract_usage(response, provider_id=provider, api_flavor=flavor)
            price = found.calc_price()
        except (ValueError, LookupError):
            failed += 1
            continue
        calls, cost = calls + 1, cost + float(price.total_price)
        tokens += found.usage.input_tokens + found.usage.output_tokens
    return Row(calls, tokens, cost, f"raises on {failed} lines")


def tokencost(log: Path) -> Row:
    from tokencost import calculate_cost_by_tokens

    calls, tokens, cost, failed = 0, 0, 0.0, 0
    for line in log.read_text("utf-8").splitlines():
        try:
            response = json.loads(line)
            usage = response["usage"]
            prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
            completion = usage.get("completion_tokens", usage.get("output_tokens"))
            model = response["model"]
            price = calculate_cost_by_tokens(prompt, model, "input")
            price += calculate_cost_by_tokens(completion, model, "output")
        except (ValueError, LookupError, AttributeError):
            failed += 1
            continue
        calls, tokens, cost = (
            calls + 1,
            tokens + prompt + completion,
            cost + float(price),
        )
    return Row(calls, tokens, cost, f"raises on {failed} lines")


def duckdb(log: Path) -> Row:
    import duckdb

    query = f"""
        SELECT count(*), sum(usage.total_tokens)
        FROM read_json('{log}', format = 'newline_delimited', ignore_errors = true)
    """
    ((rows, tokens),) = duckdb.sql(query).fetchall()
    return Row(rows, int(tokens), None, "nothing; it counts lines and has no prices")


def table_row(label: str, row: Row) -> str:
    """Return a row of the table in the docs."""
    cost = "–" if row.cost is None else f"${row.cost:.4f}"
    return f"| {label} | {row.calls} | {row.tokens:,} | {cost} | {row.note} |"


def main() -> None:
    """Print a row for each tool; install the others below the first argument."""
    print("| tool | calls | tokens | cost | what it says about the rest |")
    print("| --- | --: | --: | --: | --- |")
    print(table_row("the known answer", ANSWER))
    name = "completion-toolkit"
    print(table_row(f"{name} {version(name)}", toolkit(LOG)), flush=True)
    folder = Path(sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp())
    for name in OTHERS:
        python = folder / name / BIN / "python"
        if not python.exists():
            venv.create(folder / name, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", name]
        if subprocess.run(install, check=False).returncode:
            print(f"{name} cannot be installed")
        else:
            subprocess.run([python, __file__, "--tool", name], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--tool"]:
        name = sys.argv[2]
        row = globals()[name.replace("-", "_")](LOG)
        print(table_row(f"{name} {version(name)}{OTHERS[name]}", row))
    else:
        main()

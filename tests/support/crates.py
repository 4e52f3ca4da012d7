"""Write the licences of the crates in the kernel into one file: ``make licences``.

Cargo.toml names the exact version of each. Their sources lie where cargo unpacked them.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "toolkit/kernel/Cargo.toml"
LICENCES = ROOT / "LICENSES-OF-CRATES.txt"
HEAD = """\
The compiled kernel (toolkit/_kernel) contains, or was compiled with, the crates below,
and the standard library of Rust, which is Copyright (c) The Rust Project Developers,
"MIT OR Apache-2.0". Where a crate offers several licences, MIT is chosen.
"""
RULE = "\n" + "-" * 80 + "\n"


def pins() -> set[tuple[str, str]]:
    """Return name and version of each crate of the kernel."""
    manifest = tomllib.loads(MANIFEST.read_text("utf-8"))
    tables = manifest["dependencies"], manifest["target"]["cfg(any())"]["dependencies"]
    found = set()
    for key, value in (item for table in tables for item in table.items()):
        entry = {"version": value} if isinstance(value, str) else value
        version = entry["version"]
        assert version.startswith("="), f"{key}: expected =version, got {version}"
        found.add((entry.get("package", key), version[1:]))
    return found


def licences() -> str | None:
    """Return the text of the file, or None if cargo has not unpacked every crate."""
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    users: dict[str, list[str]] = defaultdict(list)
    for crate in ("-".join(pin) for pin in sorted(pins())):
        folder = next(home.glob(f"registry/src/*/{crate}"), None)
        if folder is None:
            return None
        manifest = tomllib.loads((folder / "Cargo.toml").read_text("utf-8"))
        terms = manifest["package"]["license"]
        files = [
            path
            for path in sorted(folder.iterdir())
            if re.match(r"licen[cs]e|copying|notice", path.name, re.IGNORECASE)
        ]
        if " AND " not in terms:
            files = [path for path in files if "mit" in path.name.lower()] or files
        for path in files:
            text = path.read_text("utf-8").replace("\r\n", "\n")
            users[text.strip("\n")].append(f"{crate} ({terms})")
    blocks = ["\n".join(crates) + "\n\n" + text for text, crates in users.items()]
    return RULE.join([HEAD, *blocks]) + "\n"


if __name__ == "__main__":
    text = licences()
    if text is None:
        raise SystemExit("crates are missing: run cargo fetch in toolkit/kernel first")
    LICENCES.write_text(text, "utf-8")

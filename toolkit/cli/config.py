"""The settings file, `toolkit.toml`: how it is found and read.

An option on the command line takes precedence over the file.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from toolkit.errors import ConfigurationError, UnreadableSourceError

_FILE, _PYPROJECT, _TABLE = "toolkit.toml", "pyproject.toml", "completion-toolkit"


class Configuration(NamedTuple):
    """Settings that are set, and the file that sets them; None if there is no file."""

    file: str | None
    values: dict[str, Any]

    def effective(self) -> list[tuple[str, Any, str]]:
        """Return each setting with its value, and where that came from."""
        # Imported here: pydantic is slow to import.
        from toolkit.cli.settings import Settings

        found = {name: (value, "default") for name, value in Settings()}
        for name, value in self.values.items():
            found[name] = (value, str(self.file))
        for table in ("export", "report"):
            del found[table]
            for name, value in self.values.get(table, {}).items():
                found[f"{table}.{name}"] = (value, str(self.file))
        return [(name, value, source) for name, (value, source) in found.items()]

    def options_of(self, command: str) -> dict[str, Any]:
        """Return the values of a command's options, by the names of its parameters."""
        values = {**self.values, **self.values.get(command, {})}
        budgets = values.get("budgets", {})
        return {
            **values,
            "title": values.get("title") if command == "report" else None,
            "budget": _amounts(budgets, "total", "models", "tags"),
            "budgets": _amounts(budgets, "month", "month_models", "month_tags"),
            "check_forecast": budgets.get("check_forecast"),
        }


def _amounts(
    budgets: dict[str, Any], total: str, models: str, tags: str
) -> list[str] | None:
    """Return budgets as they are typed; None if there are none."""
    texts = [budgets[total]] if total in budgets else []
    texts += [f"{name}={usd}" for name, usd in budgets.get(models, {}).items()]
    for tag, amounts in budgets.get(tags, {}).items():
        texts += [f"tag_{tag}:{value}={usd}" for value, usd in amounts.items()]
    return texts or None


def read_configuration(file: str | os.PathLike[str] | None = None) -> Configuration:
    """Read the settings file, and check all of it.

    Parameters
    ----------
    file
        A TOML file. Unless given, ``TOOLKIT_CONFIG`` of the environment names it; else
        it is the first of ``toolkit.toml`` and ``pyproject.toml`` (if that has the
        table ``[tool.completion-toolkit]``) in this directory and the ones above it.

    Returns
    -------
    Configuration
        With paths that are right from the current directory.

    Raises
    ------
    ConfigurationError
        If the file is missing, is not valid TOML, or has settings that are unknown or
        invalid: the error lists them all.
    UnreadableSourceError
        If the system refuses to read it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "toolkit.toml").write_text('zone = "UTC"')
    >>> read_configuration(folder / "toolkit.toml")
    Traceback (most recent call last):
    toolkit.errors.ConfigurationError: ...: no setting 'zone' (did you mean 'tz'?)
    """
    if chosen := file or os.environ.get("TOOLKIT_CONFIG"):
        path = Path(chosen)
        values = _read_table(path)
        if values is None:
            raise ConfigurationError(str(path), [f"it has no table [tool.{_TABLE}]"])
        return _configuration(path, values)
    for folder in (Path(), *Path.cwd().parents):
        for name in (_FILE, _PYPROJECT):
            path = folder / name
            values = _read_table(path) if path.is_file() else None
            if values is not None:
                return _configuration(path, values)
    return Configuration(None, {})


def _read_table(path: Path) -> dict[str, Any] | None:
    """Read the settings of a file; None if it is a pyproject.toml without any."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ConfigurationError(str(path), [str(error.strerror)]) from error
    except OSError as error:
        raise UnreadableSourceError(str(path), cause=error) from error
    except UnicodeDecodeError:
        raise ConfigurationError(str(path), ["not UTF-8 text"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(str(path), [f"not valid TOML: {error}"]) from error
    if path.name != _PYPROJECT:
        return document
    tool = document.get("tool", {})
    found = tool.get(_TABLE) if isinstance(tool, dict) else None
    return found if isinstance(found, dict) else None


def _configuration(path: Path, values: dict[str, Any]) -> Configuration:
    """Return the settings of a file, or raise an error that lists all faults."""
    # Imported here: pydantic is slow to import.
    from toolkit.cli.settings import check_settings

    return Configuration(str(path), check_settings(path, values))

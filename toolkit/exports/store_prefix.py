"""An export under a prefix of an object store."""

from __future__ import annotations

import errno
import re
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from uuid import uuid4

from toolkit import errors
from toolkit.reading import manifest, object_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from toolkit.reading.manifest import Manifest


_OTHER_RUN = "another run, which committed first"
# The folder of a run in staging, in which its workers put their parts.
_STAGED_NAME = re.compile(r"(?P<generation>[0-9]{1,18})-(?P<run>[0-9a-f]{8})/")


@contextmanager
def open_prefix(uri: str, *, rewrite: bool) -> Iterator[ObjectStoreTarget]:
    """Open a prefix that is new, empty or an export; clean up after an error."""
    object_store.check_target(uri)
    with (
        manifest.write_errors(uri),
        tempfile.TemporaryDirectory(prefix="toolkit-") as staging,
    ):
        target = ObjectStoreTarget(uri, Path(staging), rewrite=rewrite)
        try:
            yield target
        except BaseException:
            target.roll_back()
            raise


class ObjectStoreTarget:
    """A prefix of an object store.

    The names of the parts end in the id of this run, so that two runs at once do not
    touch each other's parts. state.json is put on the condition that it is the one that
    was read: of two runs, the second one fails.
    """

    def __init__(self, where: str, staging: Path, *, rewrite: bool) -> None:
        self.where = where
        self.rewrite = rewrite
        self.staging = staging
        self.run = uuid4().hex[:8]
        self.put: list[str] = []
        self.state: Manifest | None = None
        self.tag: str | None = None  # of the state.json that was read
        path = self.at(manifest.STATE_FILE)
        try:
            data, tag = object_store.read_object(path)
        except FileNotFoundError:
            data, tag = b"", ""
        if b'"generation"' in data:
            text = data.decode(errors="replace")
            self.state, self.tag = manifest.parse_manifest(text, path), tag
        else:
            _check_empty(where)
        self.generation = self.state.generation if self.state else 0

    def stage(self) -> Path:
        """Return the directory in which parts are written."""
        return self.staging

    def workspace(self) -> str:
        """Return a prefix for workers, which `sweep` removes."""
        return self.at(f"{manifest.STAGING_DIR}/{self.generation + 1}-{self.run}")

    def at(self, name: str) -> str:
        """Return the address of an object or a prefix of this export."""
        return manifest.below(self.where, name)

    def commit(self, made: Mapping[Path, str], state: Manifest) -> None:
        """Upload the parts, then state.json if no other run has replaced it."""
        if self.state is not None:
            self.sweep(self.state)
        for path, staged in made.items():
            self.put_part(path, staged)
        # From here on the store may commit, even if the request fails.
        put, self.put = self.put, []
        try:
            data = manifest.format_manifest(state).encode()
            object_store.put_bytes(
                self.at(manifest.STATE_FILE), data, replaces=self.tag
            )
        except (errors.PreconditionError, OSError) as error:
            if not self.has_committed():
                if isinstance(error, errors.PreconditionError):
                    self.put = put
                    raise errors.BusyError(self.where, holder=_OTHER_RUN) from None
                if error.errno != errno.EIO:  # else the next run removes the parts
                    self.put = put
                raise
        # It is committed. What follows may fail: the next run does it again.
        with suppress(OSError):
            if self.tag is None:
                readme = self.staging / manifest.README_FILE
                text = manifest.README.format(directory=self.where)
                readme.write_text(text, encoding="utf-8")
                object_store.put_file(self.at(manifest.README_FILE), readme)
        with suppress(OSError):
            has_closed = self.state is not None and self.state.open != state.open
            if self.tag is None or self.rewrite or made or has_closed:
                self.sweep(state)

    def put_part(self, path: Path, staged: str) -> None:
        """Upload a part, or copy one that a worker has uploaded, to its name."""
        uri = self.at(path.as_posix())
        self.put.append(uri)
        if not object_store.is_uri(staged):
            object_store.put_file(uri, Path(staged))
            return
        try:
            object_store.copy_object(staged, uri)
        except FileNotFoundError:  # another run has committed and removed it
            raise errors.BusyError(self.where, holder=_OTHER_RUN) from None

    def has_committed(self) -> bool:
        """Return whether state.json is that of this run.

        The response to the upload may have been lost.
        """
        try:
            return manifest.read_manifest(self.where).run == self.run
        except errors.NotAnExportError:
            return False

    def sweep(self, state: Manifest) -> None:
        """Delete the parts up to the generation of a state that are not part of it.

        They belong to runs of that generation that failed, or to what a rewrite has
        replaced. After the next commit they could no longer be recognized, so this is
        repeated before it.
        """
        object_store.delete_objects(
            path
            for path in manifest.list_uncommitted(self.where, state)
            if manifest.PART_NAME.fullmatch(PurePosixPath(path).name)
            and manifest.parse_generation(path) <= state.generation
        )
        self.sweep_staging(state.generation)

    def sweep_staging(self, generation: int, run: str = "") -> None:
        """Delete what workers of runs up to a generation have uploaded."""
        staging = self.at(f"{manifest.STAGING_DIR}/")
        object_store.delete_objects(
            stored.uri
            for stored in object_store.list_objects(staging)
            if (name := _STAGED_NAME.match(stored.uri.removeprefix(staging)))
            and int(name["generation"]) <= generation
            and run in {"", name["run"]}
        )

    def roll_back(self) -> None:
        """Delete what this run has uploaded."""
        with suppress(OSError):
            object_store.delete_objects(self.put)
            self.sweep_staging(self.generation + 1, self.run)


def _check_empty(uri: str) -> None:
    """Raise `NotEmptyError` if a prefix holds objects that no export has written."""
    for stored in object_store.list_objects(f"{uri}/"):
        first, _, rest = stored.uri.removeprefix(f"{uri}/").partition("/")
        if first == manifest.STAGING_DIR and _STAGED_NAME.match(rest):
            continue
        part = manifest.PART_NAME.fullmatch(PurePosixPath(rest).name)
        folders = {*manifest.KINDS, manifest.OPEN_DIR}
        if first not in folders or part is None or part["run"] is None:
            raise errors.NotEmptyError(uri)

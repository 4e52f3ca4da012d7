"""Object stores: the few operations that logs and exports need.

Credentials, region and endpoint are those of the environment or of the machine. Only
addresses that the user typed are used.
"""

from __future__ import annotations

import errno
import io
import os
import re
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar, cast

from toolkit import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from obstore import GetOptions, PutMode
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_Answer = TypeVar("_Answer")

# An address of any kind, and one in a store.
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SUPPORTED = re.compile(r"(s3|gs|az|abfss?)://")
# With a user, or a user and a password; abfss has the container before the @.
_WITH_USER = re.compile(rf"(?!abfss?://[^/:]*@){ADDRESS.pattern}[^/]*@")

# What to set; the same for abfs and abfss as for az.
_CREDENTIALS = {
    "s3": (
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for a profile by "
        'eval "$(aws configure export-credentials --format env)"'
    ),
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
# None are set, and the service of the machine that has some does not answer.
_HAS_NONE = (
    "/latest/(api|meta-data)|/metadata/identity|/computeMetadata/|Account must be"
)
# With other values of these variables the client panics.
_URL = r"https?://([\w.-]+|\[[\da-fA-F:]+\])(:\d{1,5})?(/[!-~]*)?"
_VALUES = {
    "AWS_ENDPOINT_URL|AWS_ENDPOINT_URL_S3|GOOGLE_BASE_URL|AZURE_STORAGE_ENDPOINT": _URL,
    "AWS_REGION|AWS_DEFAULT_REGION|AWS_ACCESS_KEY_ID|AWS_SESSION_TOKEN": "[!-~]+",
}
# A large object takes as long as it takes, but some bytes must come.
_CLIENT: ClientConfig = {"timeout": "365 days", "read_timeout": "60s"}
_RETRIES: RetryConfig = {"max_retries": 6}  # about six seconds
_WAIT_SECONDS = 0.2
_UPLOADS = 4  # parts of a large file that are uploaded at once
_CHUNK_BYTES = 1024 * 1024
# Kinds of errors: no access, no object, a condition that is not met.
_ERRNO = {"PermissionDeniedError": errno.EACCES, "FileNotFoundError": errno.ENOENT}
_LOST = {"AlreadyExistsError", "PreconditionError"}


class StoredObject(NamedTuple):
    """An object: address, size in bytes, tag of its content, when it was written."""

    uri: str
    size: int
    etag: str
    modified: datetime


def is_uri(name: str) -> bool:
    """Return whether a name is an address in a supported store."""
    return _SUPPORTED.match(name) is not None


def check_address(option: str, name: str) -> None:
    """Raise, without showing it, if an address has a user or a password in it."""
    if _WITH_USER.match(name):
        expected = "an address without user and password"
        hint = ": set the credentials as environment variables"
        raise errors.OptionError(option, "...", expected=expected, hint=hint)


def check_target(uri: str) -> None:
    """Raise if exports cannot be written to an address."""
    check_address("to", uri)
    if not re.fullmatch("s3://[^/]+(/[^/]+)*/?", uri):
        expected = (
            "a local path or s3://bucket/key without // (other stores are only read: "
            "write to a directory, and copy it there)"
        )
        raise errors.OptionError("to", uri, expected=expected)


def _split(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` before the key."""
    check_address("address", uri)
    scheme, _, path = uri.partition("://")
    bucket, _, key = path.partition("/")
    return f"{scheme}://{bucket}", key


@cache
def _store(root: str) -> ObjectStore:
    """Return the client of a bucket, one for all threads."""
    try:
        # Imported here: obstore is an extra.
        from obstore.store import from_url
    except ImportError:
        raise errors.MissingPackageError("obstore", ">=0.12,<0.13") from None
    _check_environment(root)
    options = _CLIENT | {"allow_http": True}  # only if the user gives such an endpoint
    return from_url(root, client_options=options, retry_config=_RETRIES)


def _check_environment(root: str) -> None:
    """Raise `OptionError` for a variable that cannot be used."""
    for names, pattern in _VALUES.items():
        for name in {*names.split("|")} & {*os.environ}:
            if not re.fullmatch(pattern, os.environ[name]):
                is_url = pattern == _URL
                expected = "http[s]://host" if is_url else "text without blanks"
                raise errors.OptionError(name, "...", expected=expected)
    profile = root.startswith("s3:") and os.environ.get("AWS_PROFILE")
    if profile and not {"AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE"} & {*os.environ}:
        raise errors.OptionError("AWS_PROFILE", profile, expected=_CREDENTIALS["s3"])


def _call(uri: str, act: Callable[[ObjectStore, str], _Answer]) -> _Answer:
    """Do something with a bucket and a key; raise an error as a short OSError.

    It runs in a thread, so that Ctrl-C ends the wait for a store.
    """
    root, key = _split(uri)
    if key.startswith("/"):  # obstore would leave it out
        raise OSError(errno.EINVAL, "expected one / between bucket and key", uri)
    answers: list[_Answer] = []
    problems: list[BaseException] = []

    def call() -> None:
        try:
            answers.append(act(_store(root), key))
        except BaseException as problem:
            problems.append(problem)

    thread = Thread(target=call, daemon=True)
    thread.start()
    while thread.is_alive():
        # polars' handler of signals restarts a wait: only a short one ends by Ctrl-C.
        thread.join(_WAIT_SECONDS)
    for problem in problems:
        kind = type(problem).__name__
        if isinstance(problem, errors.ToolkitError):
            raise problem
        if kind in _LOST:
            raise errors.PreconditionError(uri)
        reason = _reason(str(problem), root)
        raise OSError(_ERRNO.get(kind, errno.EIO), reason, uri)
    return answers[0]


def _reason(text: str, root: str) -> str:
    """Return the reason of an error, without addresses, which may be signed."""
    text, _, causes = text.partition("\n\nDebug source:")
    if re.search(_HAS_NONE, text):
        return f"no credentials: set {_CREDENTIALS[root[:2].replace('ab', 'az')]}"
    known = re.search(r"<Message>([^<\n]+)", text)
    known = known or re.search(r"status code: \d+ (\w[\w ]+)", text)
    kinds = r'(?:message|error): "([\w ,:]+)"|(TimedOut|InvalidCertificate)'
    known = known or re.search(kinds, causes)
    reason = re.sub("^Generic [A-Za-z]+ error: ", "", text.rpartition(" - ")[2])
    return known[known.lastindex or 0] if known else re.sub(r"\S+://\S+", "...", reason)


def find_object(uri: str) -> StoredObject | None:
    """Return an object, None if there is none."""
    if not _split(uri)[1]:
        return None
    try:
        found = _call(uri, lambda store, key: store.head(key))
    except FileNotFoundError:
        return None
    return _describe(uri, found)


def _describe(uri: str, found: Any) -> StoredObject:  # noqa: ANN401 - a typed dict
    """Return what a store knows of an object."""
    tag = found["e_tag"]
    tag = tag if '"' in tag else f'"{tag}"'  # as lists of Azure have it
    return StoredObject(uri, found["size"], tag, found["last_modified"])


def list_objects(prefix: str) -> list[StoredObject]:
    """Return the objects whose address begins with a prefix, sorted."""
    root, key = _split(prefix)
    folder, _, begin = key.rpartition("/")
    after = f"{folder}/{begin[:-1]}" if begin else None
    entries = _call(prefix, lambda store, _: store.list(folder, offset=after).collect())
    listed: dict[str, StoredObject] = {}
    for entry in entries:
        stored = _describe(f"{root}/{entry['path']}", entry)
        # Consoles make an empty object "a/" for a folder; obstore lists it as "a".
        if stored.uri.startswith(prefix) and (stored.size or find_object(stored.uri)):
            if stored.uri in listed:
                problem = f"{stored.uri}: another key has a / before or behind it"
                raise OSError(errno.EIO, problem, prefix)
            listed[stored.uri] = stored
    return sorted(listed.values())


def open_object(uri: str, start: int = 0, *, etag: str | None = None) -> BinaryIO:
    """Open an object for reading, from a byte to its end.

    An interrupted transfer is resumed, if the object is still the same.

    Raises
    ------
    PreconditionError
        If the object no longer has this tag.
    """
    options: GetOptions = {} if etag is None else {"if_match": etag}
    if start:
        options["range"] = {"offset": start}
    found = _call(uri, lambda store, key: store.get(key, options=options))
    return cast("BinaryIO", _ObjectReader(uri, found.stream(_CHUNK_BYTES)))


class _ObjectReader(io.RawIOBase):
    """Reads the bytes of an object."""

    def __init__(self, uri: str, chunks: Iterator[bytes]) -> None:
        self.uri = uri
        self.chunks = chunks
        self.rest = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - writable, of any kind
        """Read into a buffer, and return how many bytes; 0 at the end."""
        if not self.rest:
            self.rest = memoryview(_call(self.uri, lambda *_: next(self.chunks, b"")))
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size


def read_object(uri: str) -> tuple[bytes, str]:
    """Return the bytes of an object and the tag of its content."""
    found = _call(uri, lambda store, key: store.get(key))
    data = _call(uri, lambda *_: found.bytes().to_bytes())
    return data, str(found.meta["e_tag"])


def copy_object(uri: str, to: str) -> None:
    """Copy an object within its bucket; a reader sees all of it or nothing."""
    source = _split(uri)[1]
    _call(to, lambda store, key: store.copy(source, key))


def put_file(uri: str, path: Path) -> None:
    """Upload a file; a reader sees all of it or nothing."""
    _call(uri, lambda store, key: store.put(key, path, max_concurrency=_UPLOADS))


def put_bytes(uri: str, data: bytes, *, replaces: str | None) -> None:
    """Write an object if it still has this tag; with None, if there is none yet.

    Raises
    ------
    PreconditionError
        If another process wrote it first; nothing is written then.
    """
    mode: PutMode = "create" if replaces is None else {"e_tag": replaces}
    _call(uri, lambda store, key: store.put(key, data, mode=mode))


def delete_objects(uris: Iterable[str]) -> None:
    """Delete objects of one bucket; one that is already gone is not an error."""
    names = sorted(uris)
    keys = [_split(uri)[1] for uri in names]
    if keys:
        _call(names[0], lambda store, _: store.delete(keys))


def polars_options(name: str) -> dict[str, str] | None:
    """Return the options for polars to read an address; None for a local path.

    polars reads the same variables, but asks AWS for the region if there is none.
    """
    if not is_uri(name):
        return None
    _store(_split(name)[0])  # raises what is wrong
    regions = map(os.environ.get, ("AWS_REGION", "AWS_DEFAULT_REGION"))
    region = next(filter(None, regions), "us-east-1")
    return {"allow_http": "true", "aws_region": region}

"""Object stores: the few operations on S3 that logs and exports need.

Credentials, profiles, region and endpoint (``AWS_PROFILE``, ``AWS_ENDPOINT_URL``,
``~/.aws/config``) are those of the AWS tools, which use boto3 too. Only addresses that
the user typed are used.
"""

from __future__ import annotations

import errno
import io
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from toolkit.errors import MissingPackageError, PreconditionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

SCHEME = "s3://"
_DELETE_AT_ONCE = 1000  # the most that one call of DeleteObjects takes
# The errno for a status of the store.
_ERRNO = {403: errno.EACCES, 404: errno.ENOENT}
# A conditional put failed: another one was first, or is running.
_LOST = {409, 412}


class StoredObject(NamedTuple):
    """An object: address, size in bytes, tag of its content, when it was written."""

    uri: str
    size: int
    etag: str
    modified: datetime


def is_uri(name: str) -> bool:
    """Return whether a name is an address in a supported store."""
    return name.startswith(SCHEME)


def _bucket_and_key(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key``."""
    bucket, _, key = uri.removeprefix(SCHEME).partition("/")
    return bucket, key


@cache
def _client() -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
    """Return the client of S3, one for all threads."""
    try:
        # Imported here: boto3 is an extra, and slow to import.
        import boto3
    except ImportError:
        raise MissingPackageError("boto3", extra="s3") from None
    # Imported here: boto3 is an extra.
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.session.Session().client("s3")
    except (BotoCoreError, ValueError) as error:  # a profile, an endpoint, a region
        words = " ".join(str(error).split())
        raise OSError(errno.EINVAL, words) from error


@contextmanager
def _os_errors(uri: str) -> Iterator[None]:
    """Raise errors of the store as an OSError with a short message."""
    _client()
    # Imported here: boto3 is an extra.
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        try:
            yield
        except Boto3Error as error:  # of an upload: what happened is its context
            raise (error.__context__ or error) from None
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status in _LOST:
            raise PreconditionError(uri) from error
        words = str(error.response["Error"].get("Message") or status)
        raise OSError(_ERRNO.get(status, errno.EIO), words, uri) from error
    except (BotoCoreError, Boto3Error) as error:
        words = " ".join(str(error).split())
        raise OSError(errno.EIO, words, uri) from error


def _request(operation: str, uri: str, **arguments: object) -> Any:  # noqa: ANN401
    """Call an operation of the client on an object."""
    bucket, key = _bucket_and_key(uri)
    with _os_errors(uri):
        return getattr(_client(), operation)(Bucket=bucket, Key=key, **arguments)


def find_object(uri: str) -> StoredObject | None:
    """Return an object, None if there is none."""
    if not _bucket_and_key(uri)[1]:
        return None
    try:
        found = _request("head_object", uri)
    except FileNotFoundError:
        return None
    facts = (found[name] for name in ("ContentLength", "ETag", "LastModified"))
    return StoredObject(uri, *facts)


def list_objects(prefix: str) -> list[StoredObject]:
    """Return the objects whose address begins with a prefix, sorted."""
    bucket, key = _bucket_and_key(prefix)
    with _os_errors(prefix):
        pages = _client().get_paginator("list_objects_v2")
        return [
            StoredObject(
                f"{SCHEME}{bucket}/{entry['Key']}",
                *(entry[name] for name in ("Size", "ETag", "LastModified")),
            )
            for page in pages.paginate(Bucket=bucket, Prefix=key)
            for entry in page.get("Contents", ())
        ]


def open_object(uri: str, start: int = 0, *, etag: str | None = None) -> BinaryIO:
    """Open an object for reading, from a byte to its end.

    Raises
    ------
    PreconditionError
        If the object no longer has this tag.
    """
    expected = {"Range": f"bytes={start}-"} if start else {}
    if etag is not None:
        expected["IfMatch"] = etag
    body = _request("get_object", uri, **expected)["Body"]
    return cast("BinaryIO", _ObjectReader(uri, body))


class _ObjectReader(io.RawIOBase):
    """Reads the bytes of an object; errors of the library become an OSError."""

    def __init__(self, uri: str, body: Any) -> None:  # noqa: ANN401 - botocore's own
        self.uri = uri
        self.body = body

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, none at the end."""
        with _os_errors(self.uri):
            return bytes(self.body.read(None if size < 0 else size))

    def close(self) -> None:
        """Close the connection."""
        self.body.close()
        super().close()


def read_object(uri: str) -> tuple[bytes, str]:
    """Return the bytes of an object and the tag of its content."""
    found = _request("get_object", uri)
    with _os_errors(uri):
        return bytes(found["Body"].read()), str(found["ETag"])


def copy_object(uri: str, to: str) -> None:
    """Copy an object within its store; a reader sees all of it or nothing."""
    bucket, key = _bucket_and_key(uri)
    new_bucket, new_key = _bucket_and_key(to)
    with _os_errors(uri):
        _client().copy({"Bucket": bucket, "Key": key}, new_bucket, new_key)


def put_file(uri: str, path: Path) -> None:
    """Upload a file; a reader sees all of it or nothing."""
    _request("upload_file", uri, Filename=str(path))


def put_bytes(uri: str, data: bytes, *, replaces: str | None) -> None:
    """Write an object if it still has this tag; with None, if there is none yet.

    Raises
    ------
    PreconditionError
        If another process wrote it first; nothing is written then.
    """
    condition = {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}
    _request("put_object", uri, Body=data, **condition)


def delete_objects(uris: Iterable[str]) -> None:
    """Delete objects; one that is already gone is not an error."""
    keys = sorted(uris)
    for start in range(0, len(keys), _DELETE_AT_ONCE):
        some = keys[start : start + _DELETE_AT_ONCE]
        bucket = _bucket_and_key(some[0])[0]
        objects = [{"Key": _bucket_and_key(uri)[1]} for uri in some]
        with _os_errors(some[0]):
            _client().delete_objects(
                Bucket=bucket, Delete={"Objects": objects, "Quiet": True}
            )


def polars_options(name: str) -> dict[str, Any] | None:
    """Return the options for polars to read an address; None for a local path.

    polars gets the credentials from boto3 itself, but not endpoint and region.
    """
    if not is_uri(name):
        return None
    meta = _client().meta
    return {
        "aws_endpoint_url": meta.endpoint_url,
        "aws_region": meta.region_name or "us-east-1",
        "allow_http": str(meta.endpoint_url.startswith("http://")).lower(),
    }

from collections.abc import Mapping, Sequence

import pyarrow as pa

def count_lines(data: bytes) -> int: ...

class Decoder:
    def __init__(
        self,
        columns: Sequence[object],
        apis: Sequence[object],
        choices: pa.Schema,
        rejects: pa.Schema,
        *,
        drops_text: bool,
        envelopes: Sequence[Sequence[str]],
        created_scale: int,
        latest_microsecond: int,
        longest: int,
        leave_pending: bool,
        deepest: int,
        repeated_bytes: int,
        most_items: int,
        reasons: Mapping[str, str],
        expected: Mapping[str, str],
    ) -> None: ...
    def decode(
        self,
        log_id: int,
        source: str,
        data: bytes,
        line: int,
        offset: int,
        tail: bool,
        growing: bool,
        skipped: int | None,
    ) -> tuple[Batch, Batch, int, int, int]: ...

class Seen:
    def __init__(self) -> None: ...
    def keep(
        self, batch: pa.RecordBatch
    ) -> tuple[list[tuple[int, int]], int] | None: ...

class Batch:
    def __arrow_c_array__(
        self, requested_schema: object | None = None
    ) -> tuple[object, object]: ...

from collections.abc import Mapping, Sequence

import pyarrow as pa

def count_lines(held: bytes, start: int, end: int) -> int: ...

class Decoder:
    def __init__(
        self,
        plan: Mapping[str, object],
        tables: Sequence[pa.Schema],
        rejects: pa.Schema,
        *,
        is_strict: bool = False,
    ) -> None: ...
    def decode(  # a toolkit.reading.blocks.Block
        self, block: object
    ) -> tuple[Batch, Batch, Batch | None, int, int, int, int]: ...

class Seen:
    def __init__(self) -> None: ...
    def keep(
        self, batch: pa.RecordBatch
    ) -> tuple[list[tuple[int, int]], int] | None: ...

class Batch:
    def __arrow_c_array__(
        self, requested_schema: object | None = None
    ) -> tuple[object, object]: ...

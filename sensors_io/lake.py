"""Delta tables in a folder or on S3, and appends that carry the offsets they end at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import DeltaError, TableNotFoundError

from sensorhouse.errors import DependencyDown, Fenced, MarkMissing
from sensorhouse.settings import Settings
from warehouse.batches import Batch
from warehouse.ledger import LakeCommit

# A handle gets slower with each commit (18 CPU-ms after 100, 71 after 600): take a new one now and then.
_COMMITS_PER_HANDLE = 50
_TRIES = 5
_PIECE_ROWS = 65_536


@dataclass(frozen=True)
class Lake:
    """Where the tables lie and how to get at them; passed to whatever reads or writes one."""

    address: str
    storage_options: dict[str, str] = field(default_factory=dict, repr=False)

    def table(self, name: str) -> DeltaTable:
        """A handle at the table's newest version; raises deltalake's `TableNotFoundError`, or `DependencyDown`."""
        with _answering():
            return DeltaTable(f"{self.address}/{name}", storage_options=self.storage_options)

    def has(self, name: str) -> bool:
        """Whether the table is there; raises `DependencyDown`."""
        with _answering():
            return DeltaTable.is_deltatable(f"{self.address}/{name}", self.storage_options)

    def create(self, name: str, schema: pl.Schema, *, partition_by: Sequence[str] = ()) -> DeltaTable:
        """The table, made if it isn't there, with the columns that it lacks added: null in the rows it has.

        A column of another type is left as it is; writing to it then fails.
        """
        if not self.has(name):
            address = f"{self.address}/{name}"
            with _answering():
                if "://" not in address:
                    Path(address).mkdir(parents=True, exist_ok=True)
                DeltaTable.create(
                    address,
                    schema=_arrow_schema(schema),
                    mode="ignore",
                    partition_by=list(partition_by),
                    storage_options=self.storage_options,
                )
        handle = self.table(name)
        if missing := _missing(handle, schema):
            self._widen(name, schema, missing)
            handle = self.table(name)
        return handle

    def _widen(self, name: str, schema: pl.Schema, missing: Sequence[str]) -> None:
        wanted = Schema.from_arrow(_arrow_schema(pl.Schema({column: schema[column] for column in missing})))
        try:
            self.table(name).alter.add_columns(wanted.fields)
        except DeltaError as error:
            # Somebody else may have added them at the same moment.
            if _missing(self.table(name), schema):
                raise DependencyDown(f"the lake did not add {missing} to {name}: {error}") from error

    def scan(self, name: str) -> pl.LazyFrame:
        """The table's rows, lazily; raises deltalake's `TableNotFoundError`."""
        return pl.scan_delta(self.table(name))

    def replace(self, name: str, rows: pl.DataFrame, *, where: str) -> int:
        """Replace the rows that the SQL predicate `where` names; returns the table's new version.

        Loses no race: a commit that conflicts is tried again on the newest version.
        """
        for attempt in range(_TRIES):
            handle = self.table(name)
            try:
                write_deltalake(handle, _arrow(rows), mode="overwrite", predicate=where)
                return handle.version()
            except DeltaError as error:
                if attempt + 1 == _TRIES:
                    raise DependencyDown(f"the lake did not take {name}: {error}") from error
        raise AssertionError("unreachable")


def open_lake(settings: Settings) -> Lake:
    """The lake that the settings name."""
    options: dict[str, str] = {}
    if settings.lake.startswith("s3://"):
        options["AWS_REGION"] = settings.s3_region
        if settings.s3_endpoint:
            options["AWS_ENDPOINT_URL"] = settings.s3_endpoint
            options["AWS_ALLOW_HTTP"] = str(settings.s3_endpoint.startswith("http://")).lower()
        if settings.s3_access_key_id and settings.s3_secret_access_key:
            options["AWS_ACCESS_KEY_ID"] = settings.s3_access_key_id.get_secret_value()
            options["AWS_SECRET_ACCESS_KEY"] = settings.s3_secret_access_key.get_secret_value()
    return Lake(settings.lake, options)


class MarkedTable:
    """A Delta table that a drain appends to; each commit carries, per partition, the offset that it ends at.

    The marks are Delta's transaction versions. Delta records them but refuses no repeat; what makes them safe is
    that each append goes through the handle on which its marks were read, so that a commit by anyone else with
    one of the same marks makes it fail.
    """

    def __init__(
        self, lake: Lake, name: str, schema: pl.Schema, *, partition_by: Sequence[str], topic: str, topic_id: str
    ) -> None:
        self._lake, self.name, self._schema = lake, name, schema
        self._topic, self._topic_id = topic, topic_id
        self._handle = lake.create(name, schema, partition_by=partition_by)
        self._writing = _writing(schema)
        self._commits = 0
        self.next_offsets: dict[int, int] = {}

    def attach(self, starts: Mapping[int, int]) -> dict[int, int]:
        """Where each partition goes on; a partition seen for the first time begins at its `starts`.

        Raises `MarkMissing` when the table holds rows of a partition but no mark.
        """
        marks = self._marks(self._handle, starts)
        missing = [partition for partition, mark in marks.items() if mark is None]
        if missing:
            held = self._partitions_held()
            for partition in missing:
                if partition in held:
                    raise MarkMissing(self._topic, partition, self.name)
        self.next_offsets = {p: starts[p] if mark is None else mark for p, mark in marks.items()}
        return dict(self.next_offsets)

    def append(self, batch: Batch, rows: pl.DataFrame) -> LakeCommit | None:
        """Append `rows`, which are the trimmed `batch`'s, and move the marks to its ends, in one commit.

        What every row of a topic shares is added here. None when there is nothing left of the batch. Raises `Fenced`
        when another writer moved a mark, `DependencyDown` when the store takes no commit.
        """
        ends = {partition: covered.end for partition, covered in batch.ranges.items()}
        if not ends:
            return None
        properties = CommitProperties(
            app_transactions=[Transaction(_app_id(self._topic_id, partition), end) for partition, end in ends.items()]
        )
        for _ in range(_TRIES):
            try:
                write_deltalake(
                    self._handle,
                    self._stream(rows),
                    mode="append",
                    commit_properties=properties,
                    writer_properties=self._writing,
                )
            except (DeltaError, OSError) as error:
                if not self._landed(ends, error):
                    continue
            self.next_offsets |= ends
            commit = LakeCommit(self.name, self._handle.version(), ends)
            self._commits += 1
            if self._commits >= _COMMITS_PER_HANDLE:
                self._reopen()
            return commit
        raise DependencyDown(f"the lake did not take a commit to {self.name} in {_TRIES} tries")

    def _stream(self, rows: pl.DataFrame) -> pa.RecordBatchReader:
        """The rows as Arrow, made piece by piece while they are written: all at once would double their memory."""
        shared = {"topic_id": pl.lit(self._topic_id), "topic": pl.lit(self._topic)}
        schema = _arrow_schema(self._schema)

        def pieces() -> Iterator[pa.RecordBatch]:
            for piece in rows.iter_slices(_PIECE_ROWS):
                whole = piece.with_columns(**shared, ingest_day=pl.col("ingested_at").dt.date())
                yield from _arrow(whole.select(self._schema.names())).cast(schema).to_batches()

        return pa.RecordBatchReader.from_batches(schema, pieces())

    def _landed(self, ends: Mapping[int, int], error: Exception) -> bool:
        """Whether a commit that answered with an error is there all the same; raises `Fenced` if another's is."""
        handle = self._lake.table(self.name)
        marks = self._marks(handle, ends)
        landed = all(marks[partition] == end for partition, end in ends.items())
        if not landed and any(marks[p] not in (None, self.next_offsets[p]) for p in ends):
            raise Fenced(f"{self.name}: another writer moved the marks to {marks}") from error
        self._handle, self._commits = handle, 0
        return landed

    def _reopen(self) -> None:
        handle = self._lake.table(self.name)
        marks = self._marks(handle, self.next_offsets)
        if any(mark not in (None, self.next_offsets[partition]) for partition, mark in marks.items()):
            raise Fenced(f"{self.name}: another writer moved the marks to {marks}")
        self._handle, self._commits = handle, 0

    def _marks(self, handle: DeltaTable, partitions: Mapping[int, int]) -> dict[int, int | None]:
        return {partition: mark(handle, self._topic_id, partition) for partition in partitions}

    def _partitions_held(self) -> set[int]:
        with _answering():
            held = pl.scan_delta(self._handle).filter(pl.col("topic_id") == self._topic_id)
            return set(held.select("partition").unique().collect().get_column("partition").to_list())


def mark(handle: DeltaTable, topic_id: str, partition: int) -> int | None:
    """The offset that the table ends at, of a partition; null when it never had anything of it."""
    return handle.transaction_version(_app_id(topic_id, partition))


def rows_of_topic(handle: DeltaTable, topic_id: str) -> int:
    """How many rows are a topic's, by the table's own statistics; reads only files that hold several topics."""
    files = pl.DataFrame(pa.table(handle.get_add_actions(flatten=True)))
    if not files.height:
        return 0
    first, last = pl.col("min.topic_id"), pl.col("max.topic_id")
    mixed = files.select(((first != last) | first.is_null()) & (pl.col("num_records") > 0)).to_series().fill_null(True)
    if mixed.any():
        ours = pl.scan_delta(handle).filter(pl.col("topic_id") == topic_id)
        return int(ours.select(pl.len()).collect().item())
    return int(files.filter(first == topic_id).get_column("num_records").sum())


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except TableNotFoundError:
        raise
    except (DeltaError, OSError, pl.exceptions.ComputeError) as error:
        raise DependencyDown(f"the lake does not answer: {error}") from error


def _app_id(topic_id: str, partition: int) -> str:
    return f"{topic_id}/{partition}"


def _missing(handle: DeltaTable, schema: pl.Schema) -> list[str]:
    held = {column.name for column in handle.schema().fields}
    return [name for name in schema.names() if name not in held]


def _writing(schema: pl.Schema) -> WriterProperties:
    """How Parquet is written: numbers as differences, which come out smaller than a dictionary of them and sooner."""
    alike = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")
    apart = ColumnProperties(dictionary_enabled=False)
    kinds = {
        name: apart if kind.is_float() else alike
        for name, kind in schema.items()
        if kind.is_numeric() or kind == pl.Datetime("us", "UTC")
    }
    return WriterProperties(compression="ZSTD", compression_level=1, column_properties=kinds)


def _arrow_schema(schema: pl.Schema) -> pa.Schema:
    return schema.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()).schema


def _arrow(rows: pl.DataFrame) -> pa.Table:
    return rows.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())

"""What the assets of dbt's models tell of a build: how many rows there are, and what each column is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import structlog

from assets.column_lineage import column_lineage
from warehouse import marts as tables
from warehouse.database import Connection

# Schema and name.
Table = tuple[str, str]

log = structlog.get_logger()


def row_count(connection: Connection, table: Table) -> dict[str, int]:
    """How many rows a table has."""
    return {"dagster/row_count": tables.rows(connection, *table)}


def lineage(connection: Connection, table: Table, sql: str, parents: Mapping[Table, dg.AssetKey]) -> dict[str, Any]:
    """What the columns of a table are made of; nothing when its query can't be read.

    The query reads the parents' tables and, to find what is new, maybe the table itself.
    """
    try:
        columns = column_lineage(sql, tables.columns(connection, [*parents, table]))
    except Exception as error:  # an ornament: what a parser does not understand must not end a build
        log.warning("column_lineage_unknown", sql=sql, why=str(error))
        return {}
    deps = {
        column: [dg.TableColumnDep(parents[schema, of], name) for schema, of, name in read if (schema, of) in parents]
        for column, read in columns.items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)}

"""Which columns of which tables a query makes its columns of, read from the SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlglot import MappingSchema, exp, parse_one
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

# (schema, name) of a table, with its columns and their types.
Tables = Mapping[tuple[str, str], Mapping[str, str]]
# (schema, table, column).
Column = tuple[str, str, str]

_DIALECT = "postgres"


def column_lineage(sql: str, tables: Tables) -> dict[str, list[Column]]:
    """Of each column of a query, those of the tables that its value comes from, in order.

    `tables` has every table that the query reads. What only filters, joins or counts is not listed. Raises
    `sqlglot.errors.SqlglotError` for SQL that sqlglot does not understand.
    """
    schema = MappingSchema(dialect=_DIALECT)
    for (in_schema, name), columns in tables.items():
        schema.add_table(exp.table_(name, db=in_schema), dict(columns))
    query = qualify(_without_database(parse_one(sql, dialect=_DIALECT)), schema=schema, dialect=_DIALECT)
    assert isinstance(query, exp.Query)
    scope = build_scope(query)
    return {
        column: sorted(set(_read(column, query, schema, scope)))
        for column in (select.alias_or_name for select in query.selects)
    }


def _read(column: str, query: exp.Query, schema: MappingSchema, scope: Any) -> Iterator[Column]:
    for node in lineage(column, query, schema=schema, scope=scope, dialect=_DIALECT).walk():
        if not node.downstream and isinstance(node.source, exp.Table):
            yield node.source.db, node.source.name, node.name.rpartition(".")[2].strip('"')


def _without_database(query: exp.Expr) -> exp.Expr:
    """Tables as (schema, name): there is one database."""
    for table in query.find_all(exp.Table):
        table.set("catalog", None)
    return query

"""What columns are made of, read from SQL."""

from __future__ import annotations

import pytest
from sqlglot.errors import SqlglotError

from assets.column_lineage import column_lineage

TABLES = {
    ("marts", "units"): {"sensor_id": "text", "line_id": "text", "result": "text"},
    ("staging", "lines"): {"line_id": "text", "capacity": "integer"},
}


def test_a_column_is_made_of_what_its_value_comes_from() -> None:
    sql = """
        with built as (
            select line_id, count(*) as units, count(*) filter (where result = 'passed') as passed
            from "db"."marts"."units" group by line_id
        )
        select lines.line_id, built.passed::double precision / lines.capacity as share, built.units
        from "db"."staging"."lines" as lines
        left join built using (line_id)
    """
    assert column_lineage(sql, TABLES) == {
        "line_id": [("staging", "lines", "line_id")],
        "share": [("marts", "units", "result"), ("staging", "lines", "capacity")],
        "units": [],
    }


def test_all_columns_are_those_that_the_table_has() -> None:
    assert column_lineage("select * from staging.lines", TABLES) == {
        "line_id": [("staging", "lines", "line_id")],
        "capacity": [("staging", "lines", "capacity")],
    }


def test_a_column_that_no_table_has_is_an_error() -> None:
    with pytest.raises(SqlglotError):
        column_lineage("select colour from marts.units", TABLES)


def test_what_only_filters_is_not_listed() -> None:
    sql = """
        select units.result from marts.units as units
        where not exists (select from staging.lines as lines where lines.line_id = units.line_id)
    """
    assert column_lineage(sql, TABLES) == {"result": [("marts", "units", "result")]}

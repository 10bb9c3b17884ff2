"""The migrations, as alembic finds them."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).parents[2] / "warehouse" / "migrations"


def test_migrations_follow_each_other_in_one_line() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    found = [revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()]
    assert found[::-1] == sorted(found)
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1

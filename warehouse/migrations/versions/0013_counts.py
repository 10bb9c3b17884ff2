"""Counts that the database keeps in step with the tables."""

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Run the SQL file beside this one, as it stands: SQLAlchemy would read `%` as a parameter."""
    op.get_bind().connection.driver_connection.execute(Path(__file__).with_suffix(".sql").read_text())

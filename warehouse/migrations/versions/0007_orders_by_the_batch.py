"""Orders that are written many at once: their keys, their limits, and what no writer may do to them."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the SQL file beside this one, as it stands: SQLAlchemy would read `%` as a parameter."""
    op.get_bind().connection.driver_connection.execute(Path(__file__).with_suffix(".sql").read_text())

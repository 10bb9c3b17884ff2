"""What each slice amounts to, for as long as it lives; and which lake version holds which offsets."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the SQL file beside this one, as it stands: SQLAlchemy would read `%` as a parameter."""
    op.get_bind().connection.driver_connection.execute(Path(__file__).with_suffix(".sql").read_text())

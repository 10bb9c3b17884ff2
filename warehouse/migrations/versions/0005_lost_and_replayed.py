"""What Kafka lost and a person accepted, where logs were last seen to end, and which dead letters were replayed."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the SQL file beside this one, as it stands: SQLAlchemy would read `%` as a parameter."""
    op.get_bind().connection.driver_connection.execute(Path(__file__).with_suffix(".sql").read_text())

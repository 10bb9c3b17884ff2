"""What the online detector remembers, and the episodes that both detectors find."""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run the SQL file beside this one, as it stands: SQLAlchemy would read `%` as a parameter."""
    op.get_bind().connection.driver_connection.execute(Path(__file__).with_suffix(".sql").read_text())

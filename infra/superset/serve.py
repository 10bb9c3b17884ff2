"""Superset started in one process: its own database brought up to date, its admin seen to, and its pages served."""

import os
from pathlib import Path

import superset
from flask import Flask
from flask_migrate import upgrade
from gunicorn.app.base import BaseApplication
from superset.app import create_app

# An opened dashboard asks for twenty things at once, a second of one processor: two share them. They are forked from
# the process that has loaded everything, so the second takes little memory of its own.
WORKERS = 2
THREADS = 4


class Server(BaseApplication):
    """Gunicorn around an app that is made already."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        super().__init__()

    def load_config(self) -> None:
        """Processes with threads."""
        options = {
            "bind": os.environ["SUPERSET_BIND"],
            "worker_class": "gthread",
            "workers": WORKERS,
            "threads": THREADS,
            "timeout": 120,
            "graceful_timeout": 2,
            "keepalive": 30,
            # Else it makes one in the user's home folder.
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The app."""
        return self.app


def bring_up_to_date() -> None:
    """Migrate Superset's database; roles and their permissions follow when its version has moved."""
    from superset.extensions import appbuilder, security_manager

    before = revision()
    upgrade(directory=str(Path(superset.__file__).parent / "migrations"))
    if revision() != before or not security_manager.find_role("Admin"):
        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()


def revision() -> str | None:
    """The migration that Superset's database is at; None for an empty one."""
    from alembic.migration import MigrationContext
    from superset.extensions import db

    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def see_to_admin() -> None:
    """Make the admin, with the password that the environment tells; another one is replaced by it."""
    from superset.extensions import security_manager

    name, password = os.environ["SUPERSET_ADMIN"], os.environ["SUPERSET_ADMIN_PASSWORD"]
    found = security_manager.find_user(name)
    if found:
        security_manager.reset_password(found.id, password)
        return
    role = security_manager.find_role("Admin")
    if not security_manager.add_user(name, "Sensorhouse", "Admin", f"{name}@localhost", role, password=password):
        raise RuntimeError(f"Superset did not make its admin {name}")


def main() -> None:
    """Serve, once the database is as it has to be."""
    from superset.extensions import db

    app = create_app()
    with app.app_context():
        bring_up_to_date()
        see_to_admin()
        # The server's processes make connections of their own.
        db.session.remove()
        db.engine.dispose()
    Server(app).run()


if __name__ == "__main__":
    main()

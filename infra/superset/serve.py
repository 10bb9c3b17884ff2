"""Superset started in one process: its own database brought up to date, its admin seen to, and its pages served."""

import logging
import os
from pathlib import Path

import superset
from flask_migrate import upgrade
from superset.app import create_app
from werkzeug.serving import make_server


def bring_up_to_date() -> None:
    """Migrate Superset's database; roles and their permissions follow when its version has moved."""
    from superset.extensions import appbuilder, security_manager

    before = revision()
    upgrade(directory=str(Path(superset.__file__).parent / "migrations"))
    if revision() != before or not security_manager.find_role("Admin"):
        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
    security_manager.make_role_for_marts()


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
    app = create_app()
    with app.app_context():
        bring_up_to_date()
        see_to_admin()
    # A line for each request would fill the log.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    host, _, port = os.environ["SUPERSET_BIND"].rpartition(":")
    # Threads of this process: one that is forked from it, with all that it has loaded, now and then never answers.
    make_server(host, int(port), app, threaded=True).serve_forever()


if __name__ == "__main__":
    main()

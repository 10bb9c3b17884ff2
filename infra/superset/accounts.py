"""Who signs in to Superset: its own users, and others by accounts of the API, whose roles decide what they may do."""

from __future__ import annotations

import logging
import os
from secrets import token_urlsafe
from typing import Any

import requests
from superset.security import SupersetSecurityManager

# The marts may be looked at, whoever made the dataset; the database's own role sees nothing else.
MARTS = "Marts"
# What somebody may do in Superset, by a role of theirs in the API. Customers and devices have no business here.
ROLES = {"admin": ("Admin",), "operator": ("Alpha",), "approver": ("Gamma", MARTS), "viewer": ("Gamma", MARTS)}
# Marks the users who were made here, so that an account of the API never takes over one of Superset's own.
DOMAIN = "@accounts.invalid"
TIMEOUT_S = 10

log = logging.getLogger(__name__)


class AccountsOfTheApi(SupersetSecurityManager):
    """Asks the API about each password that isn't one of Superset's own users'."""

    def auth_user_db(self, username: str | None, password: str | None) -> Any:
        """The user whose password this is, with the roles that they have by now; None for nobody."""
        name = (username or "").lower()
        found = self.find_user(username=name)
        if not (name and password) or (found and not found.email.endswith(DOMAIN)):
            return super().auth_user_db(username, password)
        if found and not found.is_active:
            return None
        names = {role for of_api in _roles(name, password) for role in ROLES.get(of_api, ())}
        if not names:
            return None
        roles = [self.find_role(role) for role in sorted(names)]
        if found:
            found.roles = roles
        else:
            found = self.add_user(name, name, "", f"{name}{DOMAIN}", roles, password=token_urlsafe())
        self.update_user_auth_stat(found, True)
        return found

    def make_role_for_marts(self) -> None:
        """Make the role that lets its people look at every dataset."""
        everything = self.add_permission_view_menu("all_datasource_access", "all_datasource_access")
        self.add_permission_role(self.add_role(MARTS), everything)


def _roles(username: str, password: str) -> list[str]:
    """The roles that the API knows the account by; none if the password is wrong or the API doesn't answer."""
    api = os.environ["SUPERSET_ACCOUNTS_URL"]
    try:
        signed_in = requests.post(
            f"{api}/auth/token", data={"username": username, "password": password}, timeout=TIMEOUT_S
        )
        if signed_in.status_code == requests.codes.unauthorized:
            return []
        signed_in.raise_for_status()
        token = signed_in.json()["access_token"]
        asked = requests.get(f"{api}/auth/me", headers={"authorization": f"Bearer {token}"}, timeout=TIMEOUT_S)
        asked.raise_for_status()
        roles: list[str] = asked.json()["roles"]
    except requests.RequestException as error:
        log.warning("nobody with an account of the API can sign in: %s", error)
        return []
    return roles

"""Passwords as they are kept."""

from __future__ import annotations

import bcrypt

SHORTEST = 8
# bcrypt reads no further, and refuses more.
LONGEST_BYTES = 72


def hash_password(password: str) -> str:
    """The bcrypt hash of a password of at most 72 bytes; takes about 200 ms of a core."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode()


# Of no password: what a login of an unknown user is compared with, so that it takes as long as any other.
UNKNOWN_USER = "$2b$12$86uLtujqUFnEcYzYZEQcv.AwkFZiL4bO2NtLEwZuNz0f0AyGVRlse"


def matches(password: str, password_hash: str) -> bool:
    """Whether it is the password of that hash."""
    try:
        return bcrypt.checkpw(password.encode(), password_hash.encode())
    except ValueError:
        return False

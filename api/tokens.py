"""Tokens that say who is asking, and nothing else: roles are looked up, so that taking one away counts."""

from __future__ import annotations

import time
from uuid import UUID

import jwt

from sensorhouse.errors import SettingMissing, Unauthenticated
from sensorhouse.settings import Settings

ISSUER = "sensorhouse"
AUDIENCE = "sensorhouse-api"
_ALGORITHM = "HS256"
_SHORTEST_KEY = 32
# Tokens that were read before need not be checked again until they expire.
_REMEMBERED = 10_000
_CLAIMS = ["exp", "iat", "sub", "iss", "aud"]


class Tokens:
    """Makes and reads tokens with one key."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.signing_key
        if len(self._key.encode()) < _SHORTEST_KEY:
            raise SettingMissing("JWT_SECRET", f"it is shorter than {_SHORTEST_KEY} bytes")
        self.good_for_s = settings.token_minutes * 60
        self.signed_in_for_s = settings.sign_in_hours * 3600
        self._read: dict[str, tuple[UUID, int]] = {}

    def make(self, user_id: UUID, good_for_s: int | None = None) -> str:
        """A token for this user; a browser's cookie is good for `signed_in_for_s`, all else for `good_for_s`."""
        now = int(time.time())
        until = now + (good_for_s or self.good_for_s)
        claims = {"sub": str(user_id), "iat": now, "exp": until, "iss": ISSUER, "aud": AUDIENCE}
        return jwt.encode(claims, self._key, _ALGORITHM)

    def read(self, token: str) -> UUID:
        """Whose token it is; raises `Unauthenticated` for one that is expired, forged or not ours."""
        user_id, expires_at = self._read.get(token, (None, 0))
        if user_id and time.time() < expires_at:
            return user_id
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": _CLAIMS},
            )
            user_id = UUID(claims["sub"])
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("the token is expired; sign in again") from error
        except (jwt.InvalidTokenError, ValueError) as error:
            raise Unauthenticated("the token is not one of ours") from error
        if len(self._read) >= _REMEMBERED:
            self._read.clear()
        self._read[token] = user_id, claims["exp"]
        return user_id

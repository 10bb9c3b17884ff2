"""Tokens: ours or nobody's."""

from __future__ import annotations

import time
from uuid import UUID

import jwt
import pytest
from pydantic import SecretStr

from api.tokens import AUDIENCE, ISSUER, Tokens
from sensorhouse.errors import SettingMissing, Unauthenticated
from sensorhouse.settings import Settings

KEY = "k" * 32
ADA = UUID(int=1)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(Settings(_env_file=None, jwt_secret=SecretStr(KEY)))


def signed(key: str = KEY, algorithm: str = "HS256", without: str = "", **changes: object) -> str:
    now = int(time.time())
    good = {"sub": str(ADA), "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 60}
    claims = {name: value for name, value in (good | changes).items() if name != without}
    return jwt.encode(claims, key, algorithm)


def test_a_token_reads_as_whom_it_was_made_for(tokens: Tokens) -> None:
    assert tokens.read(tokens.make(ADA)) == ADA
    assert tokens.read(signed()) == ADA


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "é",
        signed("o" * 32),
        signed("", "none"),
        signed(exp=int(time.time()) - 1),
        signed(iss="somebody"),
        signed(aud="something"),
        signed(sub="not-an-id"),
        signed(k="v")[:-4],
        *(signed(without=claim) for claim in ("sub", "iss", "aud", "iat", "exp")),
    ],
)
def test_a_token_that_is_forged_expired_or_incomplete_is_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read(token)


def test_a_short_key_is_refused_when_the_api_starts() -> None:
    with pytest.raises(SettingMissing, match="shorter than 32"):
        Tokens(Settings(_env_file=None, jwt_secret=SecretStr("short")))

"""Superset's own configuration; what differs from place to place comes from its environment."""

import os
from base64 import b64encode
from datetime import timedelta
from pathlib import Path

from accounts import AccountsOfTheApi
from event_log import EventLog

HOME = Path(os.environ["SUPERSET_HOME"])

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = os.environ["SUPERSET_DATABASE_URL"]
CUSTOM_SECURITY_MANAGER = AccountsOfTheApi
# A password and its roles are looked at when somebody signs in, so everybody has to again after these.
PERMANENT_SESSION_LIFETIME = timedelta(hours=int(os.environ["SUPERSET_SIGN_IN_HOURS"]))
SESSION_REFRESH_EACH_REQUEST = False
# Nobody else than this machine's users: what requests are counted with need not be shared.
RATELIMIT_STORAGE_URI = "memory://"
# Every chart's answer, until Dagster has new ones made after the marts. In files: a restart does not lose them.
DATA_CACHE_CONFIG = {
    "CACHE_TYPE": "FileSystemCache",
    "CACHE_DIR": str(HOME / "cache"),
    "CACHE_THRESHOLD": 2000,
    "CACHE_DEFAULT_TIMEOUT": 600,
}
CACHE_CONFIG = {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 300}
EVENT_LOGGER = EventLog()
# Superset's own without the addresses of others: its pages would tell one of them of each visit, and draw others' maps.
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": "'self'",
        "default-src": "'self'",
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}
APP_NAME = "Sensorhouse"

# Okabe and Ito's: told apart by people who see red, green or blue otherwise. Yellow, which white swallows, is last.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#595959", "#F0E442"]
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "sensorhouse",
        "label": "Okabe and Ito",
        "description": "For colour-blind eyes too",
        "isDefault": True,
        "colors": COLOURS,
    }
]
_LOGO = b64encode((Path(__file__).parent / "logo.svg").read_bytes()).decode()
# These replace Superset's own, so what its logo needs is said again.
_BRAND = {
    "brandAppName": APP_NAME,
    "brandLogoAlt": APP_NAME,
    "brandLogoUrl": f"data:image/svg+xml;base64,{_LOGO}",
    "brandLogoHref": "/",
    "brandLogoHeight": "24px",
    "brandLogoMargin": "18px 0",
}
THEME_DEFAULT = {"algorithm": "default", "token": {**_BRAND, "colorPrimary": COLOURS[0]}}
THEME_DARK = {"algorithm": "dark", "token": {**_BRAND, "colorPrimary": COLOURS[4]}}

"""Every setting of every part; the only module that reads the environment."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from sensorhouse.errors import SettingMissing

PREFIX = "SENSORHOUSE_"


class Settings(BaseSettings):
    """Read from `SENSORHOUSE_*`, then `.env`, then the secrets that `sensorhouse up` made for the local stack.

    A server setting left empty (`kafka_brokers`, `postgres_url`, `lake_url`) means: the local stack's own.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    state_dir: Path = Field(Path(".local"), description="Where the local stack keeps data, logs and its secrets.")
    cache_dir: Path = Field(
        Path("~/.cache/sensorhouse"),
        description="Where programs fetched for the local stack are kept, for every checkout.",
    )

    kafka_brokers: str | None = Field(None, description="host:port,… of a Kafka that already runs.")
    kafka_config: dict[str, str] = Field(
        default_factory=dict, description="Further librdkafka settings as JSON (TLS, SASL).", repr=False
    )
    kafka_port: int = Field(19092, description="Port of the local stack's broker.")
    kafka_controller_port: int = Field(19093, description="Port of the local stack's KRaft controller.")
    orders_topic: str = Field("orders", description="Topic of order events, keyed by order_id.")
    readings_topic: str = Field("readings", description="Topic of readings, keyed by sensor_id.")
    topic_partitions: int = Field(4, ge=1, le=256, description="Partitions of a topic that we create.")
    topic_replication: int = Field(1, ge=1, description="Replicas of a topic that we create.")

    postgres_url: SecretStr | None = Field(
        None, description="postgresql://user:password@host:port/database that already runs."
    )
    postgres_port: int = Field(15432, description="Port of the local stack's Postgres.")
    postgres_password: SecretStr | None = Field(
        None, description="Password of the local stack's Postgres; `sensorhouse up` makes one."
    )
    dagster_database: str = Field("dagster", description="Database, on the same server, of Dagster's own storage.")

    redis_url: SecretStr | None = Field(
        None, description="redis://user:password@host:port/database that the API's processes share; empty: none."
    )

    lake_url: str | None = Field(None, description="s3://bucket/prefix or a folder for the Delta tables.")
    s3_endpoint: str | None = Field(None, description="URL of an S3 server other than AWS.")
    s3_region: str = Field("us-east-1", description="Region of the bucket.")
    s3_access_key_id: SecretStr | None = Field(None, description="Empty: the usual AWS chain (role, profile).")
    s3_secret_access_key: SecretStr | None = Field(None, description="Goes with s3_access_key_id.")

    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8000, description="Port of the API and the live dashboard.")
    public_url: str | None = Field(
        None, description="http(s)://… where people reach the API and the live page; empty: api_host and api_port."
    )
    jwt_secret: SecretStr | None = Field(
        None, description="Signs tokens, 32 bytes or more; `sensorhouse up` makes one for the local stack."
    )
    token_minutes: int = Field(60, ge=1, le=1440, description="How long a token is good for.")
    sign_in_hours: int = Field(
        8,
        ge=1,
        le=168,
        description="How long a browser stays signed in to the live pages, and to Superset.",
    )
    max_body_bytes: int = Field(16 << 20, description="Largest request body, as it comes and as it expands to.")
    max_upload_readings: int = Field(100_000, ge=1, description="Most readings that one upload may hold.")
    order_flush_rows: int = Field(1000, ge=1, le=5000, description="Orders written in one transaction, at most.")
    # Below the connections that the server lets in (infra/local/services.py), or nobody would ever be told.
    order_queue: int = Field(
        8_000, ge=1, description="Orders that may wait to be written; more are told to come again."
    )
    idempotency_hours: int = Field(24, ge=1, description="How long a repeated Idempotency-Key gets the first answer.")
    outbox_days: int = Field(7, ge=1, description="Days that the outbox keeps order events which Kafka has.")
    dashboard_sign_in: bool = Field(True, description="Whether the live dashboard asks for a sign-in.")
    policy_file: Path | None = Field(None, description="YAML file of the order policy; empty: the one in agent/.")

    dagster_host: str = Field("127.0.0.1", description="Address of Dagster's UI.")
    dagster_port: int = Field(3000, description="Port of Dagster's UI.")
    dagster_path: str = Field(
        "", pattern=r"^(/[\w-]+)?$", description="Where Dagster's UI stands behind a proxy: /dagster; empty: no proxy."
    )
    dagster_viewers_port: int | None = Field(
        None, description="Port of a second UI that can only look, for a proxy to lead viewers to; empty: none."
    )
    dagster_code_port: int = Field(4266, description="Port of the code server that drains and refreshes.")
    dagster_marts_port: int = Field(4267, description="Port of the code server that builds the marts.")
    dagster_max_runs: int = Field(
        4, ge=1, description="Runs that Dagster executes at once; the rest wait in its queue."
    )

    superset: bool = Field(True, description="Whether dashboards are kept in Superset, and the local stack runs one.")
    superset_url: str | None = Field(None, description="http(s)://host:port of a Superset that already runs.")
    superset_host: str = Field("127.0.0.1", description="Address of the local stack's Superset.")
    superset_port: int = Field(8088, description="Port of the local stack's Superset.")
    superset_database: str = Field("superset", description="Database, on the same server, of the stack's Superset.")
    superset_user: str = Field("admin", description="Who applies the dashboards: an admin of Superset.")
    superset_password: SecretStr | None = Field(
        None, description="Password of superset_user; `sensorhouse up` makes one for the local stack."
    )
    superset_secret_key: SecretStr | None = Field(
        None, description="Signs the sessions of the stack's Superset; `sensorhouse up` makes one."
    )
    reader_password: SecretStr | None = Field(
        None, description="Password of sensorhouse_reader, who reads the marts; `sensorhouse up` makes one."
    )

    slice_rows: int = Field(200_000, ge=1, description="Readings that end a slice.")
    slice_bytes: int = Field(64 << 20, ge=1, description="Message bytes that end a slice.")
    slice_s: float = Field(1.0, gt=0, description="Age in seconds that ends a slice.")
    lake_flush_s: float = Field(10.0, ge=0, description="Seconds of slices put into one lake commit.")
    lake_flush_bytes: int = Field(16 << 20, ge=1, description="Decoded bytes put into one lake commit.")
    drain_runs: int = Field(1, ge=1, le=64, description="Drain runs that share a topic's partitions.")
    hot_days: int = Field(400, ge=1, description="Event days that Postgres keeps; older readings are in the lake only.")
    linger_s: float = Field(20.0, ge=0, description="Seconds a caught-up drain waits for more before it ends.")
    max_run_s: float = Field(
        3600.0, gt=0, description="Seconds after which a drain ends and leaves the rest to the next."
    )
    refresh_s: float = Field(30.0, ge=0, description="Seconds between two refreshes of a day that still goes on.")
    refresh_linger_s: float = Field(
        15.0, ge=0, description="Seconds a refresh run with nothing to do waits for more before it ends."
    )
    judge_s: float = Field(
        300.0, ge=0, description="Seconds between two looks of the batch detector at a day that still goes on."
    )
    anomaly_alarms_per_day: float = Field(
        0.05,
        gt=0,
        le=100,
        description="Alarms a day at which a sensor's past would have been left in peace, per metric.",
    )
    silence_days: int = Field(
        2, ge=1, description="Days since its last reading after which a silent sensor is no longer told."
    )
    merge_slices_hours: int = Field(
        48, ge=1, description="Hours that each slice keeps a row of its own; older ones are merged to the hour."
    )
    lake_vacuum_hours: int = Field(
        168, ge=1, description="Hours that lake files which were replaced stay readable for those still at them."
    )
    lake_keep_days: int | None = Field(
        None,
        ge=1,
        description="Event days of staged readings that the lake keeps, hot_days at least; empty: all of them.",
    )

    log_level: str = Field("info", description="debug, info, warning or error.")

    @classmethod
    def load(cls) -> Settings:
        """The process's settings; call once and pass them down."""
        state_dir = Path(os.environ.get(f"{PREFIX}STATE_DIR") or ".local")
        return cls(_env_file=(state_dir / "secrets.env", ".env"))

    @property
    def brokers(self) -> str:
        """Kafka's bootstrap servers: the given ones or the local stack's."""
        return self.kafka_brokers or f"127.0.0.1:{self.kafka_port}"

    @property
    def database_url(self) -> str:
        """The warehouse as a `postgresql://` URL, password included.

        Raises `SettingMissing` while there is neither a URL nor a local password.
        """
        if self.postgres_url:
            return self.postgres_url.get_secret_value()
        if not self.postgres_password:
            raise SettingMissing("POSTGRES_URL", "run `sensorhouse up`, which makes a Postgres, or point it at yours")
        password = quote(self.postgres_password.get_secret_value(), safe="")
        return f"postgresql://postgres:{password}@127.0.0.1:{self.postgres_port}/sensorhouse"

    @property
    def dagster_url(self) -> str:
        """Dagster's own storage: its database on the warehouse's server."""
        return urlunsplit(urlsplit(self.database_url)._replace(path=f"/{self.dagster_database}"))

    @property
    def superset_database_url(self) -> str:
        """Superset's own metadata: its database on the warehouse's server."""
        return urlunsplit(urlsplit(self.database_url)._replace(path=f"/{self.superset_database}"))

    @property
    def superset_address(self) -> str:
        """Where Superset answers."""
        return (self.superset_url or f"http://{reachable(self.superset_host)}:{self.superset_port}").rstrip("/")

    @property
    def superset_sign_in(self) -> str:
        """The password of `superset_user`; raises `SettingMissing` while there is none."""
        if not self.superset_password:
            raise SettingMissing("SUPERSET_PASSWORD", "run `sensorhouse up`, which makes one, or name your Superset's")
        return self.superset_password.get_secret_value()

    @property
    def reader_sign_in(self) -> str:
        """The password of the role that reads the marts; raises `SettingMissing` while there is none."""
        if not self.reader_password:
            raise SettingMissing("READER_PASSWORD", "run `sensorhouse up`, which makes the role and its password")
        return self.reader_password.get_secret_value()

    @property
    def lake(self) -> str:
        """Address of the folder of Delta tables, without a trailing slash."""
        return (self.lake_url or str(self.state_dir.absolute() / "lake")).rstrip("/")

    @property
    def public_address(self) -> str:
        """Where links to the live page lead, without a trailing slash."""
        return (self.public_url or f"http://{reachable(self.api_host)}:{self.api_port}").rstrip("/")

    @property
    def dagster_address(self) -> str:
        """Where links to Dagster's UI lead."""
        if self.dagster_path:
            return f"{self.public_address}{self.dagster_path}"
        return f"http://{reachable(self.dagster_host)}:{self.dagster_port}"

    @property
    def signing_key(self) -> str:
        """The key that signs tokens and receipts; raises `SettingMissing` while there is none."""
        if not self.jwt_secret:
            raise SettingMissing("JWT_SECRET", "run `sensorhouse up`, which makes one, or set 32 random bytes or more")
        return self.jwt_secret.get_secret_value()

    def as_environment(self) -> dict[str, str]:
        """These settings as environment variables, for a child process; what is empty is left out."""
        return {f"{PREFIX}{name.upper()}": _text(value) for name, value in self if value not in (None, {})}


def reachable(host: str) -> str:
    """The address by which this machine reaches a server that listens on `host`."""
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound


def inherited_environment() -> dict[str, str]:
    """The environment we were started with: search path, proxies, mirrors, for programs that are not ours."""
    return dict(os.environ)


def _text(value: object) -> str:
    import json

    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, dict) else str(value)

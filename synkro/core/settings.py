"""The environment, read once.

Every variable starts with ``SYNKRO_``; ``.env.example`` documents each of them and a test keeps the two
lists equal. Importing this module reads nothing: call :func:`settings`.
"""

from __future__ import annotations

import os
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from synkro.core.certificates import with_roots
from synkro.core.errors import ConfigurationError

#: the tree this code runs from; in a wheel, where its packages lie (files beside the code: synkro/core/resources.py)
ROOT = Path(__file__).resolve().parents[2]


class Settings(BaseSettings):
    """All settings of one process. Secrets are ``SecretStr``: their ``repr`` shows stars."""

    model_config = SettingsConfigDict(env_prefix="SYNKRO_", env_file=None, extra="ignore", hide_input_in_errors=True)

    env: str = Field("development", pattern="^(development|demo|production)$")
    data_dir: Path = Path(".synkro")
    #: owner of the schemas: migrations, dlt, dbt. Empty: the embedded Postgres of the data directory
    database_url: SecretStr | None = None
    #: login of the app (member of authenticated and service_role); empty: database_url, with which no page is served
    app_database_url: SecretStr | None = None
    #: connections one process may hold to the app's address; empty: 2, a run 3, the app 5 (docs/scale.md)
    database_pool: int | None = Field(None, ge=1, le=100)
    #: Dagster's storage; empty: database ``dagster`` of the embedded server, or schema ``dagster`` of database_url
    dagster_database_url: SecretStr | None = None
    #: comma-separated; the first key writes, all of them read
    secret_keys: Annotated[list[SecretStr], NoDecode] = []
    #: signs the browser cookies; a key derived from it hashes what failed sign-ins were about
    web_secret: SecretStr | None = None
    allow_local_vendors: bool = False
    #: how far the clock of business moments is ahead of the real time (synkro/core/clock.py); a test's, refused in production
    clock_offset_seconds: float = 0
    #: further hosts of OpenAI-compatible servers the operator allows, comma-separated
    ai_hosts: Annotated[list[str], NoDecode] = []
    #: hard caps of spending on AI, US dollars: one call, one report, one tenant a day, the whole installation a day (UTC)
    ai_call_cap_usd: Decimal = Field(Decimal("0.50"), ge=0)
    ai_report_cap_usd: Decimal = Field(Decimal("5"), ge=0)
    ai_tenant_day_cap_usd: Decimal = Field(Decimal("20"), ge=0)
    ai_day_cap_usd: Decimal = Field(Decimal("100"), ge=0)
    #: TOML file with prices of further models, or other prices (docs/ai.md)
    ai_prices: Path | None = None
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65535)
    dagster_port: int = Field(3000, ge=1, le=65535)
    #: where the app finds Dagster's web server; empty: on this machine, by ``dagster_port``
    dagster_url: str = ""
    #: what the app's proxy shows Dagster's web server; empty: made once in the data directory the two of them share
    dagster_key: SecretStr | None = None
    #: Dagster's UI shows and changes nothing
    dagster_read_only: bool = False
    #: host:port of Dagster's code server when another container runs it
    code_server: str = ""
    #: reports under way at once; empty: as dagster.yaml says, and two or one through a session pooler of Supabase
    concurrent_runs: int | None = Field(None, ge=1, le=64)
    #: where the ends of the audit log's chains are noted, outside the database; empty: audit-anchors.jsonl of the data directory
    audit_anchors: Path | None = None
    #: YAML laid over the Dagster template: another launcher, other limits (deploy/celery, deploy/kubernetes)
    dagster_overlay: Path | None = None
    #: Celery's broker and result store; only with the overlay of deploy/celery
    broker_url: SecretStr | None = None
    #: runs at once of one Celery worker; a run takes up to one processor and some 350 MB
    worker_concurrency: int = Field(1, ge=1, le=64)
    public_url: str = ""
    #: further names the app answers to (``Host``), comma-separated; that of the public address and loopback always
    allowed_hosts: Annotated[list[str], NoDecode] = []
    supabase_url: str = ""
    supabase_publishable_key: SecretStr | None = None
    supabase_secret_key: SecretStr | None = None
    #: the first administrator, made once at start when nobody exists yet; the password must be changed at once
    bootstrap_email: str = ""
    bootstrap_password: SecretStr | None = None
    #: letters with links for accounts kept by ourselves (synkro/accounts/mail.py); Supabase writes its own
    smtp_url: SecretStr | None = None
    mail_from: str = ""
    log_level: str = "WARNING"

    @field_validator("secret_keys", "ai_hosts", "allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: Any) -> Any:
        """A line left empty in ``.env`` means the default."""
        return {name: value for name, value in values.items() if value != ""} if isinstance(values, dict) else values

    @field_validator("database_url", "app_database_url", "dagster_database_url")
    @classmethod
    def _verifiable(cls, value: SecretStr | None) -> SecretStr | None:
        """Here, so that whoever takes an address (pages, loads, dbt, Dagster, doctor) takes it with Supabase's roots."""
        return SecretStr(with_roots(value.get_secret_value())) if value is not None else None

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @property
    def is_production(self) -> bool:
        return self.env == "production"

    @property
    def is_demo(self) -> bool:
        """Made-up companies only: operators sign in without the second step."""
        return self.env == "demo"

    @property
    def base_url(self) -> str:
        """Address people use, without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    def check(self) -> None:
        """Refuse combinations that would be unsafe; raises :class:`ConfigurationError`."""
        if self.is_production and self.allow_local_vendors:
            raise ConfigurationError(
                "SYNKRO_ALLOW_LOCAL_VENDORS нельзя включать при SYNKRO_ENV=production: уберите одну из переменных."
            )
        if self.is_production and self.clock_offset_seconds:
            raise ConfigurationError(
                "SYNKRO_CLOCK_OFFSET_SECONDS нельзя задавать при SYNKRO_ENV=production: часы идут только настоящие. "
                "Уберите одну из переменных."
            )


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process; raises :class:`ConfigurationError` naming the wrong variable."""
    try:
        loaded = Settings()
    except ValidationError as error:
        fields = ", ".join(f"SYNKRO_{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"Неверная настройка окружения. {fields}") from None
    loaded.check()
    return loaded


def override(**values: object) -> Settings:
    """Set variables for this process and its children (command-line flags), then read them again."""
    for name, value in values.items():
        if value is not None:
            os.environ[f"SYNKRO_{name.upper()}"] = str(value)
    settings.cache_clear()
    return settings()

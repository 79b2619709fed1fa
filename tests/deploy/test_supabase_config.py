"""``supabase/config.toml`` and ``seed.sql``: one version of Postgres, one length of a password, one schema shown, a seed that can be repeated."""

from __future__ import annotations

import re
import tomllib

import psycopg
import yaml
from psycopg.rows import dict_row

from synkro.accounts import passwords
from synkro.core.settings import ROOT, Settings
from synkro.tenancy import runtime_config, tenants

CONFIG = tomllib.loads((ROOT / "supabase" / "config.toml").read_text(encoding="utf-8"))
SEED = (ROOT / "supabase" / "seed.sql").read_text(encoding="utf-8")


def test_one_version_of_postgres() -> None:
    """Compose is the home: whoever raises it there raises what the CLI starts."""
    image = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["db"]["image"]
    found = re.fullmatch(r"\$\{POSTGRES_IMAGE:-postgres:(\d+)\.\d+\}", image)
    assert found and CONFIG["db"]["major_version"] == int(found[1])


def test_the_data_api_shows_api_alone() -> None:
    assert CONFIG["api"]["schemas"] == ["api"]
    # a schema of the search path is what pg_graphql looks at
    assert CONFIG["api"]["extra_search_path"] == []


def test_nobody_signs_up_by_himself() -> None:
    auth = CONFIG["auth"]
    assert (auth["enable_signup"], auth["enable_anonymous_sign_ins"], auth["email"]["enabled"]) == (False, False, True)
    assert auth["minimum_password_length"] == passwords.MIN_PASSWORD
    port = Settings.model_fields["port"].default
    assert auth["site_url"] == f"http://127.0.0.1:{port}"
    assert auth["additional_redirect_urls"] == [
        f"http://{host}:{port}/auth/confirm" for host in ("127.0.0.1", "localhost")
    ]


def test_the_seed_can_be_repeated(database: str) -> None:
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as connection:
        for _ in range(2):
            connection.execute(SEED.encode())
        made = tenants.visible(connection)
        assert [one.slug for one in made] == ["local"]
        assert runtime_config.current(connection, made[0].tenant_id) == runtime_config.start(
            connection, tenants.add(connection, "Другая", "other", made[0].timezone).tenant_id, made[0].timezone
        )
        assert connection.execute("select count(*) as n from auth.users").fetchone() == {"n": 0}


def test_the_seed_adds_nothing_to_a_database_in_use(database: str) -> None:
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as connection:
        tenants.add(connection, "Альфа", "alpha", "Asia/Almaty")
        connection.execute(SEED.encode())
        assert [one.slug for one in tenants.visible(connection)] == ["alpha"]

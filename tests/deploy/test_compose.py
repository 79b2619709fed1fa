"""``docker-compose.yml`` and the image: who is given which variables, directories and networks, and what the image holds.

No engine of containers is needed: the file is read as Compose fills it in, and the tree is copied as the Dockerfile says.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from cli import alive
from synkro.core.settings import ROOT
from tests.deploy.test_manifests import KNOWN, parse

TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = {"migrate", "app", "sender", "dagster-code", "dagster-daemon", "dagster-webserver", "cli", "worker"}
#: of an installation that has filled in what must be filled in
FILLED = {
    "POSTGRES_PASSWORD": "ownerp", "APP_DATABASE_PASSWORD": "appp", "DAGSTER_DATABASE_PASSWORD": "dagsterp", "REDIS_PASSWORD": "redisp",
    "SYNKRO_SECRET_KEYS": "sealingkey", "SYNKRO_WEB_SECRET": "cookiekey", "SYNKRO_DAGSTER_KEY": "proxykey",
    "SYNKRO_PUBLIC_URL": "https://s.example", "SYNKRO_DOMAIN": "s.example", "SYNKRO_SUPABASE_SECRET_KEY": "supakey",
    "SYNKRO_SMTP_URL": "smtps://u:mailp@m.example", "SYNKRO_BOOTSTRAP_PASSWORD": "firstp",
    "SYNKRO_BROKER_URL": "redis://:redisp@redis:6379/0",
}  # fmt: skip


def filled(text: str, values: dict[str, str]) -> str:
    """As Compose puts the variables in: ``${NAME}``, ``${NAME:-else}`` and ``${NAME:?why}``, one inside another too."""
    innermost = re.compile(r"(?<!\$)\$\{(\w+)(?::(-|\?)([^${}]*))?\}")

    def value(found: re.Match[str]) -> str:
        name, kind, other = found.groups()
        if given := values.get(name):
            return given
        if kind == "?":
            raise ValueError(f"{name}: {other}")
        return other or ""

    while innermost.search(text):
        text = innermost.sub(value, text)
    return text


def compose(**more: str) -> dict[str, Any]:
    return dict(yaml.safe_load(filled(TEXT, FILLED | more)))


SERVICES: dict[str, dict[str, Any]] = compose()["services"]


def holders(word: str) -> set[str]:
    """The services among whose variables this value stands."""
    return {name for name, one in SERVICES.items() if word in str(one.get("environment"))}


def test_it_says_what_the_code_understands() -> None:
    volumes = compose()["volumes"]
    assert {name for name, service in SERVICES.items() if service.get("image") == "synkro:local"} == OURS
    for name, service in SERVICES.items():
        for needed in service.get("depends_on", ()):
            assert needed in SERVICES, f"{name} waits for {needed}"
        for volume in service.get("volumes", ()):
            source, _, target = volume.partition(":")
            assert source.startswith("./") or not target or source in volumes, f"{name}: {volume}"
            assert not source.startswith("./") or (ROOT / source).exists(), f"{name}: {volume}"
        assert not service.get("ports") or name == "caddy", f"{name} is reachable from outside"
        if name in OURS:
            parse(service["command"])
            assert {key for key in service["environment"] if key.startswith("SYNKRO_")} <= KNOWN
            assert "env_file" not in service, "each is given what it reads, by name"
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {"redis": ["workers"], "worker": ["workers"], "cli": ["tools"]}


def test_each_service_is_given_what_it_reads_and_no_secret_of_another() -> None:
    working = {"dagster-code", "worker", "cli"}
    assert holders("ownerp") == {"db", "migrate", *working}, "who answers people does not know the owner"
    assert holders("appp") == {"migrate", "app", "sender", *working}
    assert holders("dagsterp") == {"db", "dagster-daemon", "dagster-webserver", *working}
    assert holders("sealingkey") == {"app", "sender", *working}
    assert holders("cookiekey") == {"app"}
    assert holders("proxykey") == {"app", "dagster-webserver"}
    assert holders("supakey") == holders("mailp") == {"app", "cli"}
    assert holders("firstp") == {"app"}
    assert holders("redisp") == {"redis", "dagster-daemon", "dagster-webserver", *working}
    for name in ("app", "sender"):
        url = urlsplit(SERVICES[name]["environment"]["SYNKRO_APP_DATABASE_URL"])
        assert (url.username, url.password, url.path) == ("synkro_app", "appp", "/synkro")
    url = urlsplit(SERVICES["dagster-webserver"]["environment"]["SYNKRO_DAGSTER_DATABASE_URL"])
    assert (url.username, url.path) == ("dagster", "/dagster")


@pytest.mark.parametrize(
    "name", ["POSTGRES_PASSWORD", "APP_DATABASE_PASSWORD", "DAGSTER_DATABASE_PASSWORD", "SYNKRO_SECRET_KEYS", "SYNKRO_WEB_SECRET", "SYNKRO_DAGSTER_KEY", "SYNKRO_PUBLIC_URL", "SYNKRO_DOMAIN"]
)  # fmt: skip
def test_what_has_to_be_filled_in_is_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: set {name} in .env"):
        compose(**{name: ""})
    assert compose(
        SYNKRO_DATABASE_URL="postgresql://o:p@elsewhere/x", SYNKRO_APP_DATABASE_URL="postgresql://a:p@elsewhere/x"
    )


def test_nobody_shares_a_directory() -> None:
    seen: dict[str, str] = {}
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source, _, rest = volume.partition(":")
            if rest and not source.startswith("./"):
                if rest.endswith(":ro"):
                    continue
                assert source not in seen, f"{name} and {seen[source]} share {source}"
                seen[source] = name
            assert not source.startswith("./") or rest.endswith(":ro"), f"{name} may write {source}"
        if name in OURS:
            here = [volume.partition(":")[2] or volume for volume in service.get("volumes", ())]
            here = [one for one in here if not one.endswith(":ro")] + [
                one.partition(":")[0] for one in service["tmpfs"]
            ]
            anchors = ["/anchors"] if name == "dagster-code" else []
            assert sorted(here) == [*anchors, "/data", "/tmp"], f"{name}: where it writes, and nowhere else"
    assert seen == {"db": "db", "runs": "dagster-code", "anchors": "dagster-code", "caddy": "caddy"}
    # the engine notes the ends of the audit log's chains, the command that verifies reads them
    for name in ("dagster-code", "cli"):
        assert SERVICES[name]["environment"]["SYNKRO_AUDIT_ANCHORS"].startswith("/anchors/")
    assert "anchors:/anchors:ro" in SERVICES["cli"]["volumes"]


def test_every_container_is_bound_and_asked_whether_it_lives() -> None:
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True and service["init"] is True and not service.get("privileged"), name
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else []), name
        if service.get("restart") == "no":
            assert name in ("migrate", "cli"), "they end by themselves"
            continue
        test = service["healthcheck"]["test"]
        assert test[0] in ("CMD", "CMD-SHELL") and service["healthcheck"]["interval"]
        if name in OURS:
            assert test[1:4] == ["python", "-m", "cli.alive"] and test[4] in alive.CHECKS
            assert test[4] == service["command"][2], f"{name} asks about itself"
    assert SERVICES["db"]["user"] == "postgres" and SERVICES["redis"]["user"] == "redis"


def test_the_networks_lead_where_each_has_to_go() -> None:
    networks = compose()["networks"]
    assert {name for name, one in networks.items() if one and one.get("internal")} == {"dagster", "broker"}
    on = {network: {name for name, one in SERVICES.items() if network in one["networks"]} for network in networks}
    assert on["edge"] == {"caddy", "app"}
    assert on["dagster"] == {"app", "dagster-code", "dagster-daemon", "dagster-webserver", "cli"}
    assert on["broker"] == {"redis", "worker", "dagster-code", "dagster-daemon", "dagster-webserver"}
    assert on["outside"] == {"app", "sender", "dagster-code", "worker", "cli"}
    assert "caddy" not in on["database"] and "dagster-webserver" not in on["edge"]
    assert SERVICES["app"]["environment"]["SYNKRO_DAGSTER_URL"] == "http://dagster-webserver:3000"


def test_redis_starts_with_a_password_only(tmp_path: Path) -> None:
    script = SERVICES["redis"]["command"][2].replace("$$", "$").replace("/tmp/redis.conf", str(tmp_path / "redis.conf"))
    script = script.replace("exec redis-server", "exec cat")
    for password, status in (("", 1), ("s3cret", 0)):
        done = subprocess.run(
            ["sh", "-c", script], env={"PATH": os.environ["PATH"], "REDISCLI_AUTH": password}, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == status, done.stderr
    assert "requirepass s3cret\n" in done.stdout and 'save ""\n' in done.stdout and "s3cret" not in script
    assert stat.S_IMODE((tmp_path / "redis.conf").stat().st_mode) == 0o600


def test_dagsters_login_is_made_with_the_volume(tmp_path: Path) -> None:
    script = ROOT / "deploy" / "postgres" / "10-dagster.sh"
    assert script.stat().st_mode & stat.S_IXUSR, "else the image reads it into its own shell"
    psql = tmp_path / "psql"
    psql.write_text('#!/bin/sh\necho "$@"\ncat\n')
    psql.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "POSTGRES_USER": "postgres", "POSTGRES_DB": "synkro"}
    assert subprocess.run([script], env=environment, capture_output=True, check=False).returncode != 0, "no password"
    done = subprocess.run(
        [script], env=environment | {"DAGSTER_DATABASE_PASSWORD": "it's"}, capture_output=True, text=True, check=True
    )
    assert "-v password=it's --username postgres --dbname synkro" in done.stdout
    assert "create database dagster owner dagster" in done.stdout and "password :'password'" in done.stdout


# --- the image ----------------------------------------------------------------------------------------------


def test_the_image_installs_locks_that_exist_and_runs_as_nobody() -> None:
    lines = DOCKERFILE.splitlines()
    copied = next(line for line in lines if line.startswith("COPY requirements"))
    locks = re.findall(r"requirements\S*\.lock", copied)
    assert len(locks) == 2 and all((ROOT / lock).exists() for lock in locks)
    assert any(line == f"ARG LOCK={locks[0]}" for line in lines)
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER synkro"] and lines.index(users[0]) < next(
        number for number, line in enumerate(lines) if line.startswith("ENTRYPOINT")
    )


def test_what_it_all_stands_on_is_named_by_its_exact_version() -> None:
    """And by a digest where the operator gives one: the same name of a variable in both files."""
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.M)
    assert "FROM ${PYTHON_IMAGE}" in DOCKERFILE and SERVICES["app"]["build"]["args"]["PYTHON_IMAGE"] == base
    images = {name: one["image"] for name, one in SERVICES.items() if name not in OURS}
    assert images.keys() == {"db", "redis", "caddy"}
    for image in (base, *images.values()):
        assert re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?", image), image
    pinned = "postgres@sha256:" + "0" * 64
    assert compose(POSTGRES_IMAGE=pinned)["services"]["db"]["image"] == pinned


def ignored(path: str) -> bool:
    """As the builder reads ``.dockerignore``: the last line that fits decides, for a folder with all it holds."""
    out = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        parts = path.split("/")
        heads = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        if pattern.startswith("**/"):
            fits = any(fnmatch(part, pattern[3:]) for part in parts)
        else:
            fits = any(fnmatch(head, pattern) and head.count("/") == pattern.count("/") for head in heads)
        if fits:
            out = not line.startswith("!")
    return out


def test_the_image_holds_the_product_and_works_without_the_rest(tmp_path: Path) -> None:
    for path in (
        ".env", ".git/config", ".synkro/environment", "sandbox/server.py", "tests/conftest.py", "bench/run.py", ".venv/bin/python",
        "docker-compose.yml", "deploy/kubernetes/secret.yaml", "docs/runbook.md", "app/__pycache__/main.pyc", "dump.sql",
    ):  # fmt: skip
        assert ignored(path), f"{path} reaches the builder"
    copied: list[str] = []
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.M):
        *sources, _ = shlex.split(line)
        copied += [source.rstrip("/") for source in sources]
    for source in copied:
        assert not ignored(source) and (ROOT / source).exists(), source
        target = tmp_path / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__", "target", "logs"))
            some = next(
                path for path in (ROOT / source).rglob("*.*") if path.is_file() and "__pycache__" not in path.parts
            )
            assert not ignored(some.relative_to(ROOT).as_posix())
        else:
            shutil.copy(ROOT / source, target)
    assert not {"sandbox", "tests", "bench", "docs"} & {path.name for path in tmp_path.iterdir()}

    def synkro(*arguments: str) -> subprocess.CompletedProcess[str]:
        # -I would forget the folder; the tree of this test is not on the way
        code = f"import sys; sys.path = [{str(tmp_path)!r}] + [p for p in sys.path if p and p != {str(ROOT)!r}]\n" + (
            "sys.meta_path = [f for f in sys.meta_path if 'editable' not in str(f).lower()]\n"
            "from cli.main import main; sys.exit(main(sys.argv[1:]))"
        )
        environment = {"PATH": os.environ["PATH"], "SYNKRO_DATA_DIR": str(tmp_path / "data")}
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )  # fmt: skip

    assert "serve" in synkro("--help").stdout
    demo = synkro("demo")
    assert demo.returncode == 1 and "в образ для работы она не входит" in demo.stderr, demo.stderr

"""The files of the embedded server: where its cluster lies, how it is made, what went wrong in the making.

In ``<data_dir>/postgres``: ``pgdata``, ``password`` (0600), ``port``, ``server.log`` and two locks;
``location`` holds the directory of ``pgdata`` and ``password`` when they had to live elsewhere
(see ``_pg_binaries``).
Every function expects the caller to hold ``start.lock``.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path

from synkro.core.errors import ConfigurationError, SynkroError
from synkro.database.embedded import binaries

USER = "postgres"


def home(root: Path) -> Path:
    """The directory of ``pgdata`` and ``password``."""
    record = root / "location"
    return Path(record.read_text().strip()) if record.exists() else root


def password(root: Path) -> str:
    """Password of the superuser; raises ConfigurationError if there is no cluster or the file was lost."""
    file = home(root) / "password"
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        raise ConfigurationError(
            f"Нет файла {file} с паролем встроенной базы. Если база ещё не запускалась, выполните "
            "synkro db up; иначе верните файл из резервной копии."
        ) from None


def prepare(root: Path, bin_dir: Path, version: str, account: binaries.Account | None) -> None:
    """Leave a cluster of the right version where its account can reach it; makes one if there is none."""
    place = home(root)
    if place != root and not place.is_dir():
        raise ConfigurationError(
            f"Данные базы лежали в {place}, но этого каталога больше нет. Верните его из резервной копии "
            f"или удалите файл {root / 'location'}, чтобы начать с пустой базы."
        )
    stamp = place / "pgdata" / "PG_VERSION"
    if stamp.exists():
        made_by = stamp.read_text().strip()
        if str(binaries.major(version)) != made_by:
            raise ConfigurationError(
                f"База в {place} создана Postgres {made_by}, а установлен {version}. Верните прежнюю версию, "
                "выгрузите данные (pg_dump) и загрузите их в новую базу, либо укажите другой --data-dir."
            )
        if account and not binaries.can_enter(place, account):
            raise ConfigurationError(
                f"Пользователь {account.name}, которому принадлежит база в {place}, не может войти в каталог "
                f"{binaries.barrier(place, account)}. Откройте этот каталог на вход (chmod o+x) "
                "или перенесите --data-dir туда, где он доступен."
            )
        return
    if place == root and not binaries.can_enter(root, account):
        mark = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
        place = binaries.reachable_directory(f"synkro-pgdata-{mark}")
        (root / "location").write_text(str(place))
    _initialise(place, bin_dir, version, account)


def _initialise(place: Path, bin_dir: Path, version: str, account: binaries.Account | None) -> None:
    secret, fresh = place / "password", place / "pgdata.new"
    # what an interrupted initdb left behind: no data of ours has ever been in it
    secret.unlink(missing_ok=True)
    shutil.rmtree(fresh, ignore_errors=True)
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(24))
    fresh.mkdir(mode=0o700)
    if account:
        for path in (secret, fresh):
            os.chown(path, account.uid, account.gid)
    made = binaries.run(
        [
            *(bin_dir / "initdb", "-D", fresh, "-U", USER),
            *("-A", "scram-sha-256", f"--pwfile={secret}"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"),
            # every password here is 24 random bytes or more: stretching it protects nothing and costs each
            # connection 20 ms, and Dagster opens hundreds a run
            *(("-c", "scram_iterations=1") if int(version.split(".")[0]) >= 16 else ()),
        ],
        account,
    )
    if made.returncode:
        shutil.rmtree(fresh, ignore_errors=True)
        raise complaint(place, "создать базу", made.stderr)
    # the name is given last: a cluster called pgdata is whole
    fresh.rename(place / "pgdata")


def no_space(place: Path, detail: str) -> SynkroError:
    return ConfigurationError(
        f"На диске с каталогом {place} не осталось места: освободите место или укажите другой --data-dir.",
        detail=detail,
    )


def complaint(place: Path, what: str, said: str) -> SynkroError:
    """The error for what a program wrote before it gave up; its last lines are for the operator's log."""
    tail = "\n".join(said.strip().splitlines()[-15:])
    if "No space left on device" in said or "Disk quota exceeded" in said:
        return no_space(place, tail)
    lines = (line.strip() for line in said.splitlines() if "FATAL" in line or "error:" in line)
    return ConfigurationError(
        f"Не удалось {what} в {place}: {next(lines, 'причина неизвестна')}. Устраните причину и повторите.",
        detail=tail,
    )

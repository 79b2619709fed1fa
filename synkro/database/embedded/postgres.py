"""The embedded Postgres: one private server per data directory, under our own supervision.

In: a data directory. Out: a server on 127.0.0.1 with a random password, databases ``synkro`` and ``dagster``.
Promises:

- ``start`` is safe to call at any time, from any number of processes: one starts, the others attach.
- The server outlives a crash of ours; the next ``start`` attaches to it. ``stop`` ends it in order.
- A server is called running only if it answered a connection with our password *and* one of its processes
  holds ``alive.lock``. The postmaster inherits that lock, so the kernel lets go of it exactly when the last
  process is gone: neither a reused pid, nor a zombie, nor a truncated ``postmaster.pid``, nor a server in
  another container on the same volume can fool it.

The files are described in ``_pg_cluster``, the programs and the account they run as in ``_pg_binaries``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from synkro.core.errors import ConfigurationError, TransientError
from synkro.database.embedded import binaries, cluster

HOST = "127.0.0.1"
DATABASES = ("synkro", "dagster")
#: entered by their owner alone
CLOSED = ("dagster", "postgres", "template1")
#: below the kernel's range for outgoing connections: a remembered port there is sooner or later taken
PORTS = range(20_000, 30_000)
#: seconds without a sign of life; after kill -9 the orphans need a few of them to notice and leave
PATIENCE = 15.0
#: seconds for a crash recovery that keeps saying it is under way
RECOVERY = 180.0
#: bytes; a larger log of the server is put aside at the next start
LOG_LIMIT = 20_000_000

#: on the command line, so that they hold for clusters made by earlier versions of Synkro too
SETTINGS = {
    "listen_addresses": HOST,
    # TCP only: a socket's path may have 107 bytes, a data directory's may have more
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # DETAIL and STATEMENT lines hold rows, that is, what clients wrote
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}

#: kept, so that Python reaps the servers this process started instead of warning about them
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Server:
    """A server that answered. ``attached``: it had been running before, so its starter is someone else."""

    port: int
    version: str
    attached: bool


class EmbeddedPostgres:
    """The server of one data directory. Cheap to construct: touches nothing before :meth:`start`.

    ``port`` is a wish: a busy one is replaced. ``bin_dir`` overrides the choice of programs, ``settings`` those of the
    server, ``closed`` the databases nobody but their owner enters.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        bin_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        closed: Sequence[str] = CLOSED,
    ) -> None:
        self._closed = list(closed)
        self._root = Path(data_dir).expanduser().resolve() / "postgres"
        self._port = port
        self._bin_dir = bin_dir
        self._settings = dict(settings or {})

    def start(self) -> Server:
        """Start the server or attach to the running one; make its databases.

        Raises ConfigurationError (a person has to act) or TransientError (the server does not answer yet).
        """
        with self._exclusive():
            attached = self._wait()
            if not attached:
                account = binaries.account_for(self._pgdata)
                bin_dir, version = binaries.resolve(self._bin_dir, account)
                cluster.prepare(self._root, bin_dir, version, account)
                self._launch(bin_dir, binaries.account_for(self._pgdata))
            for name in DATABASES:
                self.ensure_database(name)
            with self._connect() as connection:
                _close(connection, self._closed)
                number = connection.info.server_version
            return Server(self._remembered_port(), f"{number // 10000}.{number % 10000}", attached)

    def stop(self) -> None:
        """Stop the server in order, rolling open transactions back; nothing to do if it is not running."""
        if not self._root.exists():
            return
        with self._exclusive():
            for order, seconds in ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0)):
                pid = self._postmaster()
                if pid is None:
                    return
                os.kill(pid, order)
                deadline = time.monotonic() + seconds
                while self._alive() and time.monotonic() < deadline:
                    time.sleep(0.02)
            if self._alive():
                raise TransientError(f"База не остановилась за минуту. Журнал: {self._log}")

    def destroy(self) -> None:
        """Stop the server and delete the cluster with all its data, wherever it lies."""
        self.stop()
        for folder in {cluster.home(self._root), self._root}:
            shutil.rmtree(folder, ignore_errors=True)

    def is_running(self) -> bool:
        """Whether the server of this directory answers right now."""
        return self._alive() and self._refusal() is None

    def url(self, dbname: str = "synkro") -> str:
        """Address with the password in it: a secret. Raises ConfigurationError before the first start."""
        secret = cluster.password(self._root)
        return f"postgresql://{cluster.USER}:{secret}@{HOST}:{self._remembered_port()}/{dbname}"

    @property
    def version(self) -> str:
        """Version of the programs a start would use, such as ``18.6``."""
        return binaries.resolve(self._bin_dir, binaries.account_for(self._pgdata))[1]

    def ensure_database(self, name: str) -> None:
        """Create the database if it is missing."""
        try:
            with self._connect() as connection:
                found = connection.execute("select from pg_database where datname = %s", (name,))
                if found.fetchone() is None:
                    # template1 may have visitors, and a database with visitors cannot be copied
                    query = sql.SQL("create database {} template template0").format(sql.Identifier(name))
                    connection.execute(query)
        except psycopg.errors.DuplicateDatabase:
            return
        except psycopg.OperationalError as error:
            raise TransientError(
                f"Встроенная база не приняла соединение. Журнал: {self._log}", detail=str(error)
            ) from None

    @property
    def _pgdata(self) -> Path:
        return cluster.home(self._root) / "pgdata"

    @property
    def _log(self) -> Path:
        return self._root / "server.log"

    def _remembered_port(self) -> int:
        try:
            return int((self._root / "port").read_text())
        except (FileNotFoundError, ValueError):
            raise ConfigurationError("Встроенная база ещё не запускалась: выполните synkro db up.") from None

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One supervisor at a time; errors of the file system become messages a person can act on."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with (self._root / "start.lock").open("a") as lock:
                deadline = time.monotonic() + RECOVERY
                while not _try_lock(lock.fileno(), fcntl.LOCK_EX):
                    if time.monotonic() > deadline:
                        raise TransientError("Базу всё ещё запускает другой процесс: повторите через минуту.")
                    time.sleep(0.05)
                yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise cluster.no_space(self._root, str(error)) from error
            raise ConfigurationError(
                f"Встроенной базе мешает файловая система: {error.strerror}, {error.filename or self._root}. "
                "Проверьте права на этот путь или укажите другой --data-dir.",
                detail=str(error),
            ) from error

    def _alive(self) -> bool:
        """Whether any process of this directory's server exists."""
        for process in _started:
            process.poll()
        try:
            with (self._root / "alive.lock").open() as lock:
                if not _try_lock(lock.fileno(), fcntl.LOCK_SH):
                    return True
        except FileNotFoundError:
            pass
        # a server started by hand with pg_ctl has no lock of ours
        return self._postmaster() is not None

    def _postmaster(self) -> int | None:
        """The pid in ``postmaster.pid``, if that process is a Postgres on this very directory."""
        try:
            pid = int((self._pgdata / "postmaster.pid").read_text().split("\n", 1)[0])
            command = _command_line(pid)
        except (OSError, ValueError):
            return None
        if not re.search(r"/(postgres|postmaster)( -|$)", command):
            return None
        written = command.partition(" -D ")[2].partition(" -c ")[0]
        for place in (Path(f"/proc/{pid}/cwd"), Path(written or "/nowhere")):
            try:
                return pid if place.samefile(self._pgdata) else None
            except OSError:
                continue
        # its directory cannot be seen, as when a clone was renamed under it: taken for ours, not doubled
        return pid

    def _connect(self) -> psycopg.Connection:
        wanted = {
            "host": HOST,
            "port": str(self._remembered_port()),
            "user": cluster.USER,
            "password": cluster.password(self._root),
            "dbname": "postgres",
            "connect_timeout": "5",
            # the caller's PGHOSTADDR, PGSSLMODE and PGOPTIONS must not lead elsewhere
            "hostaddr": HOST,
            "sslmode": "disable",
            "gssencmode": "disable",
            "options": "",
            # SCRAM is mutual: a stranger on our port who lets everybody in is not taken for our server
            "require_auth": "scram-sha-256",
        }
        return psycopg.connect(make_conninfo(**wanted), autocommit=True)

    def _refusal(self) -> str | None:
        """Why the server does not answer; None if it does."""
        try:
            self._connect().close()
        except (ConfigurationError, psycopg.OperationalError) as error:
            # all slots taken is a busy server, not a dead one
            return None if "too many clients" in str(error) else str(error)
        return None

    def _wait(self) -> bool:
        """True once the server answers, False if no process of it is left."""
        begun = heard = time.monotonic()
        while self._alive():
            refusal = self._refusal()
            if refusal is None:
                return True
            now = time.monotonic()
            if "the database system is" in refusal:  # starting up, shutting down, in recovery mode
                heard = now
            if now - heard > PATIENCE or now - begun > RECOVERY:
                raise TransientError(
                    f"База в {self._pgdata} запущена (pid {self._postmaster() or '?'}), но не отвечает. "
                    f"Остановите её (synkro db down) и повторите. Журнал: {self._log}",
                    detail=refusal,
                )
            time.sleep(0.05)
        return False

    def _launch(self, bin_dir: Path, account: binaries.Account | None) -> None:
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT:
            self._log.replace(self._log.with_suffix(".log.old"))
        deadline = time.monotonic() + PATIENCE
        while True:
            # nobody holds alive.lock and the pid, if any, is not a Postgres on this directory
            (self._pgdata / "postmaster.pid").unlink(missing_ok=True)
            settings = SETTINGS | self._settings | {"port": str(self._choose_port())}
            options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            with (self._root / "alive.lock").open("a") as alive, self._log.open("ab") as output:
                fcntl.flock(alive, fcntl.LOCK_EX)
                said = output.tell()
                _started.append(
                    subprocess.Popen(  # type: ignore[call-overload]
                        [str(bin_dir / "postgres"), "-D", str(self._pgdata), *options],
                        **{"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "cwd": "/"},
                        pass_fds=[alive.fileno()],
                        # Ctrl-C in the terminal must not reach it before we stop it in order
                        start_new_session=True,
                        **binaries.as_account(account),
                    )
                )
            if self._wait():
                return
            with self._log.open("rb") as output:
                output.seek(said)
                words = output.read().decode(errors="replace")
            # a port lost in a race, or orphans of a killed postmaster still holding its shared memory
            passing = ("Address already in use", "pre-existing shared memory", "already exists")
            if not any(text in words for text in passing) or time.monotonic() > deadline:
                raise cluster.complaint(self._pgdata, "запустить базу", words)
            time.sleep(0.3)

    def _choose_port(self) -> int:
        """The asked port, else the remembered one, else any: the first that is free. Remembers the choice."""
        record = self._root / "port"
        wanted = [self._port] if self._port else []
        if record.exists() and record.read_text().strip().isdigit():
            wanted.append(int(record.read_text()))
        for port in [*wanted, *random.sample(PORTS, 100)]:
            if _is_free(port):
                record.write_text(str(port))
                return port
        raise ConfigurationError(f"На {HOST} нет свободного порта для базы: закройте лишние программы.")


def _close(connection: psycopg.Connection, names: list[str]) -> None:
    """Only ``synkro`` is entered by logins of people; Postgres lets everybody into every database, to lock and to fill it."""
    rows = connection.execute(
        "select d.datname from pg_database d"
        " cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a"
        " where a.grantee = 0 and a.privilege_type = 'CONNECT' and d.datname = any (%s)",
        (names,),
    ).fetchall()
    for (name,) in rows:
        connection.execute(sql.SQL("revoke connect, temporary on database {} from public").format(sql.Identifier(name)))


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _command_line(pid: int) -> str:
    # /proc/<pid>/exe of another user is closed to root in a container, cmdline is open; a zombie's is empty
    if Path("/proc/self").exists():
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
    return binaries.run(["ps", "-o", "args=", "-p", str(pid)], None).stdout.strip()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # as Postgres does: a connection of the last server in TIME_WAIT does not make the port busy
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True

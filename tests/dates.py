"""``python -m tests.dates [--dates ISO … | --rotation N] [--jobs N] [WHERE …]``: the suite on other days than today, one line a day.

Every process of it lives on that day, the database's too: ``libfaketime`` moves the wall clock, and the tests stand at the wall's
moment instead of their fixed one. The monotonic clock stays, or waits would never end. (Debian's package of libfaketime, 0.9.10,
breaks ``time.sleep`` of Python 3.11 then; the one of PyPI does not.)
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from synkro.core.settings import ROOT
from tests.support import needs, running

BERLIN, ALMATY = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Almaty")
#: the days on which code that asks the calendar breaks
DATES = (
    *(datetime(2026, 11, day, 10, 0, tzinfo=BERLIN) for day in range(23, 30)),  # each weekday
    datetime(2027, 1, 1, 0, 10, tzinfo=BERLIN),
    datetime(2028, 2, 29, 10, 0, tzinfo=BERLIN),
    datetime(2027, 3, 31, 23, 30, tzinfo=BERLIN),
    datetime(2027, 3, 28, 1, 58, tzinfo=BERLIN),  # summer time begins at 2:00
    datetime(2026, 10, 25, 2, 58, tzinfo=BERLIN),  # summer time ends at 3:00
    datetime(2026, 12, 1, 23, 58, tzinfo=ALMATY),  # a minute or two to midnight where the companies are
)
#: files whose companies hang on the day, fast enough to be asked on two other days in every ``make test``
COMPANIES = (
    "tests/app/pages/test_forced.py",
    "tests/app/test_services.py",
    "tests/delivery/test_silence.py",
    "tests/orchestration/run/test_as_of.py",
    "tests/orchestration/queue/test_schedules.py",
    "tests/sandbox/test_company.py",
    "tests/synkro/core/test_clock.py",
    "tests/synkro/core/test_windows.py",
)


def rotation(count: int) -> tuple[datetime, ...]:
    """Some of the dates, others tomorrow; in a week or so each has had its turn."""
    first = date.today().toordinal() * count
    return tuple(DATES[(first + number) % len(DATES)] for number in range(count))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.dates", description=__doc__)
    parser.add_argument("--dates", nargs="+", type=datetime.fromisoformat, default=DATES)
    parser.add_argument("--rotation", type=int, help="so many of the dates, others tomorrow")
    parser.add_argument("--jobs", type=int, default=running.workers())
    parser.add_argument("--select", default="not assurance", help="pytest's -m")
    options, where = parser.parse_known_args(arguments)
    if options.rotation:
        options.dates = rotation(options.rotation)
    needs.main()
    folder = ROOT / "build" / "dates"
    folder.mkdir(parents=True, exist_ok=True)
    good = 0
    for moment in options.dates:
        began = time.monotonic()
        log = folder / f"{moment:%Y-%m-%dT%H%M%z}.log"
        status = run(moment, options.select, options.jobs, [running.place(word) for word in where], log)
        good += status == 0
        told = summary(log)
        print(
            f"{moment:%a %Y-%m-%d %H:%M %z}  {'ok' if status == 0 else 'FAILED':7}{told}  {time.monotonic() - began:.0f} s",
            flush=True,
        )
    print(f"{good} of {len(options.dates)} dates")
    return 0 if good == len(options.dates) else 1


@contextmanager
def library() -> Iterator[Path]:
    """The library where the database's account can read it too."""
    import libfaketime

    with TemporaryDirectory(prefix="synkro-clock-") as folder:
        Path(folder).chmod(0o755)
        made = Path(folder) / "libfaketime.so"
        shutil.copy(Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1", made)
        made.chmod(0o755)
        yield made


def run(moment: datetime, selection: str, jobs: int, where: list[str], log: Path) -> int:
    ahead = moment.timestamp() - time.time()
    with library() as preloaded, log.open("wb") as output:
        # an offset, not a start: a process that begins later is not a minute late
        moved = {"LD_PRELOAD": str(preloaded), "FAKETIME": f"{ahead:+.0f}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        environment = {**moved, "TZ": "UTC", "SYNKRO_TEST_NOW": "wall"}
        return running.pytest(selection, where, environment, jobs=jobs, output=output)


def summary(log: Path) -> str:
    """pytest's closing counts."""
    found = re.findall(
        r"\d+ (?:passed|failed|error|skipped)[^\n]*? in ", log.read_text(encoding="utf-8", errors="replace")
    )
    return found[-1].removesuffix(" in ") if found else f"see {log.relative_to(ROOT)}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

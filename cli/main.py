"""Entry point. Exit status: 0 done, 1 failed with a reason on standard error, 2 wrong usage."""

from __future__ import annotations

import logging
import sys

import click
import psycopg

from cli import environment
from cli.commands import (
    analysts,
    audit,
    database,
    dbt,
    demo,
    doctor,
    history,
    imports,
    people,
    read,
    reports,
    sandbox,
    secrets,
    setup,
    telegram,
)
from cli.process import serve
from synkro.core import log
from synkro.core.errors import ConfigurationError, SynkroError, TransientError
from synkro.core.settings import settings
from synkro.database import db, migrations

logger = logging.getLogger(__name__)

#: commands that read or write rows; the others make the tables themselves or need none
NEED_TABLES = {
    "tenant",
    "user",
    "analyst",
    "integration",
    "import",
    "runtime",
    "telegram",
    "report",
    "run",
    "backfill",
    "audit",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="synkro")
@click.pass_context
def cli(context: click.Context) -> None:
    """Synkro: отчёты о переписке с клиентами из amoCRM и Radist.

    --data-dir ПАПКА (по умолчанию .synkro) — где лежит всё, что пишется на этой машине.
    """
    if context.invoked_subcommand in NEED_TABLES and not {"-h", "--help"} & set(context.obj):
        try:
            missing = migrations.pending(db.owner_url())
        except psycopg.OperationalError as error:
            raise TransientError(
                "База данных не отвечает. Проверьте SYNKRO_DATABASE_URL и что сервер запущен.", detail=str(error)
            ) from None
        if missing:
            raise ConfigurationError(f"База не готова: не применено миграций — {len(missing)}. Выполните: synkro db up")


for command in (
    database.db_group,
    people.tenant,
    people.user,
    analysts.analyst,
    setup.integration,
    imports.import_group,
    setup.runtime_group,
    telegram.telegram,
    reports.report,
    reports.run,
    history.backfill,
    secrets.secrets,
    audit.audit_group,
    serve.serve,
    demo.demo,
    sandbox.sandbox,
    doctor.doctor,
    read.read,
    dbt.dbt,
):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; every failure ends as one plain message, never as a traceback."""
    try:
        words, data_dir = environment.take_data_dir(list(sys.argv[1:] if arguments is None else arguments))
        environment.load(data_dir)
        log.setup(settings().log_level)
        # click gives the code of context.exit() back instead of raising it
        ended = cli.main(args=words, standalone_mode=False, obj=words)
        status = ended if isinstance(ended, int) else 0
    except click.exceptions.Exit as leave:
        status = leave.exit_code
    except click.UsageError as error:
        error.show()
        status = 2
    except click.ClickException as error:
        error.show()
        status = 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("Остановлено.", err=True)
        status = 1
    except SynkroError as error:
        click.echo(f"Ошибка: {log.redact(error.message)}", err=True)
        if error.detail:
            logger.info("%s", error.detail)
        status = 1
    except BrokenPipeError:
        status = 0
    except OSError as error:
        reason = "На диске нет места." if error.errno == 28 else f"Система отказала: {error.strerror or error}."
        click.echo(f"Ошибка: {reason} Исправьте это и повторите.", err=True)
        status = 1
    except Exception as error:
        logger.debug("unexpected", exc_info=True)
        click.echo(
            f"Ошибка: неожиданный сбой ({type(error).__name__}: {log.redact(str(error))[:300]}). "
            "Повторите с SYNKRO_LOG_LEVEL=DEBUG и передайте вывод оператору.",
            err=True,
        )
        status = 1
    finally:
        db.close()
    sys.exit(status)


if __name__ == "__main__":
    main()

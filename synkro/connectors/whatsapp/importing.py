"""Several uploaded files at once: each is read and kept by itself, a wrong one stops no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from synkro.connectors import integrations
from synkro.connectors.whatsapp import chats, uploads
from synkro.connectors.whatsapp.declaration import WHATSAPP
from synkro.core import clock, russian
from synkro.core.errors import DataError
from synkro.database import db
from synkro.tenancy import runtime_config

#: files in one upload
MOST_FILES = 100


@dataclass(frozen=True)
class Upload:
    """One file. ``phone``: the client's, for a chat whose file does not tell it."""

    name: str
    content: bytes
    phone: str = ""


@dataclass(frozen=True)
class FileResult:
    """What became of one file; with an error nothing of it was kept."""

    name: str
    chat: str = ""
    dialog_id: str = ""
    messages: int = 0
    repeated: int = 0
    is_new: bool = False
    has_phone: bool = False
    until: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class ImportResult:
    files: tuple[FileResult, ...]

    @property
    def chats(self) -> int:
        return sum(one.is_new for one in self.files)

    @property
    def messages(self) -> int:
        return sum(one.messages for one in self.files)

    @property
    def repeated(self) -> int:
        return sum(one.repeated for one in self.files)

    @property
    def failed(self) -> tuple[FileResult, ...]:
        return tuple(one for one in self.files if one.error)

    def sentence(self) -> str:
        """«Добавлено: 3 чата, 1 204 сообщения, 0 повторов.»"""
        return (
            f"Добавлено: {russian.count(self.chats, 'чат', 'чата', 'чатов')}, "
            f"{russian.count(self.messages, 'сообщение', 'сообщения', 'сообщений')}, "
            f"{russian.count(self.repeated, 'повтор', 'повтора', 'повторов')}."
        )

    def as_json(self) -> dict[str, Any]:
        """For programs: counts and errors."""
        return {
            "chats": self.chats,
            "messages": self.messages,
            "repeated": self.repeated,
            "files": [
                {
                    "name": one.name,
                    "dialog_id": one.dialog_id or None,
                    "messages": one.messages,
                    "repeated": one.repeated,
                    "is_new": one.is_new,
                    "until": one.until.isoformat() if one.until else None,
                    "error": one.error or None,
                }
                for one in self.files
            ],
        }


def names(text: str) -> tuple[str, ...]:
    """Names of people, as they are typed: with commas between them."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def save(
    tenant_id: UUID,
    files: Sequence[Upload],
    managers: Sequence[str],
    progress: Callable[[FileResult], None] = lambda one: None,
) -> ImportResult:
    """Read the files and keep what is new, a transaction a file (service entry point).

    ``managers``: names of our side; none: those of the last upload. They are kept for the next one.
    """
    if not files:
        raise DataError("Файлы не выбраны. Выберите выгрузки чатов: .txt или .zip.")
    if len(files) > MOST_FILES:
        raise DataError(f"Файлов больше {MOST_FILES}. Загрузите их частями.")
    with db.as_service("import whatsapp") as connection:
        timezone = runtime_config.current(connection, tenant_id).timezone
        before = integrations.find(connection, tenant_id, WHATSAPP.name)
        public = before.public if before else {}
        ours = tuple(managers) or names(str(public.get("managers") or ""))
        if before is None or ours != names(str(public.get("managers") or "")):
            integrations.save_public(
                connection, tenant_id, WHATSAPP.name, {**public, "managers": ", ".join(ours)} if ours else public
            )
    found = []
    for one in files:
        found.append(_one(tenant_id, one, ours, timezone))
        progress(found[-1])
    with db.as_service("import whatsapp") as connection:
        until = uploads.complete_until(connection, tenant_id)
        if until is not None:
            bound = {**uploads.totals(connection, tenant_id), "until": until.isoformat()}
            integrations.set_status(connection, tenant_id, WHATSAPP.name, "ok", bound=bound)
    return ImportResult(tuple(found))


def _one(tenant_id: UUID, one: Upload, managers: Sequence[str], timezone: str) -> FileResult:
    try:
        chat = chats.read(one.name, one.content, managers=managers, phone=one.phone, timezone=timezone, now=clock.now())
    except DataError as error:
        return FileResult(one.name, error=error.message)
    with db.as_service("import whatsapp") as connection:
        added = uploads.add(connection, tenant_id, chat)
    return FileResult(
        one.name,
        chat.name,
        str(chat.id),
        added.messages,
        added.repeated,
        added.is_new,
        chat.phone is not None,
        chat.until,
    )

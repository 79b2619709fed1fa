"""The uploaded bytes as texts: a text file as it is, of an archive the one file that holds the chat. Sizes are bounded."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath

from synkro.connectors.whatsapp import export
from synkro.core.errors import DataError

#: of one file as it was uploaded, and of the text inside an archive
LARGEST = 20 * 2**20
#: more is no export of one chat, whatever it says of itself
_MOST_ENTRIES = 20_000
_CURE = "Загрузите файл .txt или .zip, который сделал телефон: «Экспорт чата» → «Без файлов»."


def text_of(name: str, content: bytes) -> tuple[str, str]:
    """``(file name, text)`` of the chat; the name of the archive when the file inside is «_chat.txt».

    Raises :class:`DataError` without the file's name: the caller puts it in front.
    """
    if len(content) > LARGEST:
        raise DataError(f"больше {LARGEST // 2**20} МБ. Выгрузите чат без файлов: «Экспорт чата» → «Без файлов».")
    if not content.startswith(b"PK\x03\x04"):
        return name, _decoded(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_ENTRIES:
                raise DataError(f"в архиве слишком много файлов. {_CURE}")
            texts = [one for one in entries if not one.is_dir() and one.filename.lower().endswith(".txt")]
            chats = [one for one in texts if _is_chat(one.filename)] or texts
            if len(chats) != 1:
                raise DataError(f"в архиве {'нет файла' if not chats else 'больше одного файла'} с перепиской. {_CURE}")
            found = _unpacked(archive, chats[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise DataError(f"архив повреждён или под паролем. {_CURE}", detail=type(error).__name__) from None
    inside = PurePosixPath(chats[0].filename).name
    return (inside if export.title(inside) else name), _decoded(found)


def _is_chat(path: str) -> bool:
    name = PurePosixPath(path).name
    return name == "_chat.txt" or bool(export.title(name))


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The entry's bytes; what it says of its own size is not believed."""
    with archive.open(entry) as file:
        found = file.read(LARGEST + 1)
    if len(found) > LARGEST:
        raise DataError(f"переписка в архиве больше {LARGEST // 2**20} МБ. Выгрузите её частями и загрузите по одной.")
    return found


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"строка {line}: это не текст в UTF-8. {_CURE}") from None
    # Postgres stores no NUL
    return text.replace("\x00", "")

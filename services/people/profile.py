"""One's own profile."""

from __future__ import annotations

from dataclasses import replace

from services import access
from services.access import Viewer
from synkro.core import windows
from synkro.core.errors import DataError
from synkro.core.phones import normalise
from synkro.database import db
from synkro.tenancy import audit, users
from synkro.tenancy.users import LANGUAGES, User


def save_profile(who: Viewer, full_name: str, phone: str, timezone: str, language: str) -> User:
    """A person's own name, phone, zone and language. Audited as ``profile.changed``; raises :class:`DataError` naming the field."""
    if len(full_name) > 200:
        raise DataError("Имя длиннее 200 знаков. Сократите его.")
    number = normalise(phone) if phone.strip() else None
    if phone.strip() and number is None:
        raise DataError("Телефон не похож на номер. Укажите его целиком, например +77000000001.")
    if language not in LANGUAGES:
        raise DataError("Выберите язык из списка.")
    user = replace(
        who.user,
        full_name=full_name.strip(),
        phone=number,
        timezone=windows.zone(timezone).key,
        language=language,
    )
    with db.as_user(who.user_id) as connection:
        users.update_profile(connection, user)
        access.note(
            connection,
            who,
            "profile.changed",
            metadata=audit.changes(_fields(who.user), _fields(user)),
        )
    return user


def _fields(user: User) -> dict[str, str | None]:
    return {"full_name": user.full_name, "phone": user.phone, "timezone": user.timezone, "language": user.language}

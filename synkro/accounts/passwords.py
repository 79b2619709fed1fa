"""Which passwords we accept, for accounts of both keepers."""

from __future__ import annotations

import secrets

from synkro.errors import DataError

MIN_PASSWORD = 12
#: bcrypt looks at no byte beyond this one: a longer password would be cut without a word
MAX_PASSWORD_BYTES = 72
_COMMON = frozenset(
    [
        "password1234",
        "123456789012",
        "qwertyuiop12",
        "qwerty123456",
        "administrator",
        "parolparol12",
        "passwordpassword",
        "111111111111",
    ]
)


def check_password(password: str) -> str:
    """Raises :class:`DataError` that says what is wrong: length, bytes or a known password."""
    if len(password) < MIN_PASSWORD:
        raise DataError(f"Пароль короче {MIN_PASSWORD} знаков. Возьмите фразу из нескольких слов.")
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise DataError(f"Пароль длиннее {MAX_PASSWORD_BYTES} байт. Сократите его.")
    if password.lower() in _COMMON or len(set(password)) < 4:
        raise DataError("Такой пароль подбирают первым. Возьмите фразу из нескольких слов.")
    return password


def one_time_password() -> str:
    """Made by us, shown once, changed at the first sign-in; all four classes of characters, as a project may demand."""
    return "-".join(secrets.token_hex(2) for _ in range(4)) + f"-{secrets.choice('BDFGHJKLMN')}{secrets.randbelow(10)}"

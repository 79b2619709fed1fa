"""What a chat is told when it has asked as much as it may: in the language of whoever asked."""

from __future__ import annotations


def is_english(language: str) -> bool:
    """Telegram says which language the author's own application is in; Russian where it says nothing or another one."""
    return language.lower().partition("-")[0] == "en"


def an_hour(most: int, language: str) -> str:
    if is_english(language):
        return f"Too many questions: at most {most} an hour from one chat. Ask again later, or on the report's page."
    return f"Слишком много вопросов: из одного чата не больше {most} в час. Спросите позже или на странице отчёта."


def a_day(most: int, language: str) -> str:
    if is_english(language):
        return f"This chat has used up its answers of the day: at most {most}. Ask tomorrow, or on the report's page."
    return f"На сегодня ответы для этого чата закончились: не больше {most} за сутки. Спросите завтра или на странице отчёта."

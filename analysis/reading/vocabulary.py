"""The words a reading is made of: a closed list of kinds, each with its Russian label.

A model may only choose among them and the rules find only these, so that readings can be counted together.
Topics are the company's own: :mod:`analysis.topics`.
"""

from __future__ import annotations

OBJECTIONS: dict[str, str] = {
    "price": "Дорого",
    "competitor": "Сравнивают с другими",
    "terms": "Не устраивают сроки",
    "no_option": "Нет нужного варианта",
    "postponed": "Откладывают решение",
    "trust": "Сомневаются",
    "other": "Другое",
}

RISKS: dict[str, str] = {
    "complaint": "Жалоба",
    "refund": "Требуют вернуть деньги",
    "broken_promise": "Обещание не сдержано",
    "rude_manager": "Грубый ответ",
    "angry": "Клиент недоволен",
    "ignored": "Клиента не слышат",
    "wrong_price": "Названы разные цены",
    "other": "Другое",
}

OUTCOMES: dict[str, str] = {
    "paid": "Оплатил",
    "agreed": "Согласился купить",
    "visit": "Договорились о встрече",
    "call": "Просит позвонить",
    "thinking": "Думает",
    "refused": "Отказался",
    "waiting": "Ждёт ответа",
    "answered": "Получил ответ",
    "unclear": "Неясно",
}

NEXT_STEPS: dict[str, str] = {
    "answer": "Ответить на вопрос",
    "call": "Позвонить",
    "send": "Отправить обещанное",
    "meet": "Встретиться",
    "pay": "Принять оплату",
    "fix": "Разобрать жалобу",
    "other": "Другое",
}

MOODS: dict[str, str] = {
    "pleased": "доволен",
    "calm": "спокоен",
    "worried": "обеспокоен",
    "annoyed": "раздражён",
    "angry": "злится",
}

LANGUAGES = ("ru", "kk", "mixed", "other")

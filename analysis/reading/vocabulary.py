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
    "missed_chance": "Клиент готов, менеджер не закрыл",
    "contradiction": "Менеджеры говорят разное",
    "wrong_fact": "Сказано неверно о компании",
    "channel_change": "Уводят в другой канал",
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

STATES: dict[str, str] = {
    "new_question": "Новый вопрос",
    "choosing": "Выбирает",
    "offer_sent": "Получил предложение",
    "thinking": "Думает",
    "agreed": "Договорились",
    "payment_claimed": "Сообщил об оплате",
    "paid": "Оплачено",
    "in_production": "Заказ в работе",
    "delivery_scheduled": "Доставка назначена",
    "delivered": "Доставлено",
    "service_request": "Обращение после покупки",
    "complaint": "Жалоба",
    "refused": "Отказался",
    "silent": "Замолчал",
}

PROMISED: dict[str, str] = {
    "document": "Документ",
    "call": "Звонок",
    "price": "Цена",
    "photo": "Фото",
    "discount": "Скидка",
    "delivery": "Доставка",
    "answer": "Ответ",
    "other": "Другое",
}

CLIENT_FACTS: dict[str, str] = {
    "budget": "Бюджет",
    "size": "Размер",
    "colour": "Цвет",
    "term": "Срок",
    "product": "Товар",
}

REPLY: dict[str, str] = {"hard": "Нужен ответ", "soft": "Можно ответить", "none": "Ответ не нужен"}

MOODS: dict[str, str] = {
    "pleased": "доволен",
    "calm": "спокоен",
    "worried": "обеспокоен",
    "annoyed": "раздражён",
    "angry": "злится",
}

LANGUAGES = ("ru", "kk", "mixed", "other")

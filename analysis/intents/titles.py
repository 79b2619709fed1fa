"""Reasons as people read them, in Russian."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "question": "вопрос",
    "request": "просьба",
    "gives_info": "прислал то, что просили",
    "booking": "запись или заказ",
    "complaint": "жалоба",
    "reminder": "напоминание",
    "payment_claim": "сообщает об оплате",
    "objection": "возражение",
    "greeting": "приветствие",
    "media": "фото, голосовое или файл",
    "continued": "продолжение вопроса",
    "answer_to_us": "ответ на наш вопрос",
    "negotiation": "торг",
    "thanks": "благодарность",
    "farewell": "прощание",
    "consent": "согласие",
    "confirmation": "подтверждение",
    "on_my_way": "едет",
    "thinking": "думает",
    "refusal": "отказ",
    "praise": "похвала",
    "waiting_promised": "ждёт обещанного",
    "acknowledgement": "принял к сведению",
    "informs": "сообщает",
    "sticker": "стикер или смайл",
}

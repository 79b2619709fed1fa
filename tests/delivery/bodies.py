"""Report bodies of the kinds a day can have."""

from __future__ import annotations

from typing import Any

from delivery.message import Message, telegram_message
from synkro.reporting.body import Body


def ordinary(**changes: Any) -> dict[str, Any]:
    """A Friday with three things to do."""
    body: dict[str, Any] = {
        "header": {
            "company": "Мебель <Алма>",
            "date": "2026-11-20",
            "report_type": "daily",
            "as_of": "2026-11-20T17:05:00+00:00",
            "is_complete": True,
            "reader": {"kind": "model", "model": "m", "note": ""},
            "timezone": "Asia/Almaty",
        },
        "coverage_line": "Прочитано 118 из 124 диалогов",
        "headline": [
            {"text": "Двенадцать клиентов ждут ответа дольше часа, под вопросом 3,4 млн ₸.", "claims": []},
            {"text": "Скорость первого ответа упала после обеда: в смене остался один менеджер!", "claims": []},
        ],
        "actions": [
            {
                "who": "Асель Нурланова",
                "manager_id": "7",
                "client": "Ирина",
                "phone_masked": "•••• 0001",
                "text": "Прислать расчёт кухни, обещанный вчера",
                "why": "клиент спросил дважды и ждёт 5 ч 20 мин",
                "money": 1250000,
                "money_display": "1,25 млн ₸",
                "dialog_id": "radist:77/1",
            },
            {
                "who": "Данияр",
                "manager_id": "7",
                "client": "Олег",
                "phone_masked": "•••• 0002",
                "text": "Назвать срок доставки в Астану",
                "why": "сделка на этапе оплаты, ответа нет с 11:40",
                "money": 840000,
                "money_display": "840 000 ₸",
                "dialog_id": "radist:78/1",
            },
            {
                "who": "Марина",
                "manager_id": "7",
                "client": "",
                "phone_masked": "+7 701 123 00 03",
                "text": "Вернуться к возражению о цене",
                "why": "клиент сравнивает с конкурентом",
                "money": None,
                "money_display": "",
                "dialog_id": "radist:79/1",
            },
        ],
        "numbers": [
            _number("Новые диалоги", "124", "118", "up"),
            _number("Первый ответ, медиана", "14 мин", "9 мин", "up", "хуже нормы 15 мин у двоих"),
            _number("Ответили вовремя", "71 %", "83 %", "down"),
            _number("Ждут ответа сейчас", "12", "5", "up"),
            _number("Деньги под вопросом", "3,4 млн ₸", "1,9 млн ₸", "up"),
        ],
        "managers": [
            {"name": "Асель Нурланова", "text": "31 диалог, ответ за 8 мин, два обещания не выполнены в срок."},
            {"name": "Данияр", "text": "42 диалога, после 14:00 ответ за 47 мин, пять клиентов ждут."},
            {"name": "Марина", "text": "27 диалогов, ответ за 6 мин, все обещания выполнены."},
        ],
        "risks": [
            {"text": "Трое клиентов написали, что купят в другом месте, если не ответят сегодня."},
            {"text": "Шесть диалогов не прочитаны: голосовые сообщения без расшифровки."},
        ],
        "quiet": False,
        "too_little_data": False,
        "incomplete": None,
    }
    return body | changes


def quiet() -> dict[str, Any]:
    return ordinary(
        headline=[{"text": "Спокойный день: 4 диалога, все отвечены за 5 минут.", "claims": []}],
        actions=[],
        numbers=[],
        managers=[],
        risks=[],
        quiet=True,
    )


def _number(label: str, display: str, usual: str, direction: str, note: str = "") -> dict[str, Any]:
    return {
        "key": label,
        "label": label,
        "value": 1,
        "display": display,
        "usual": 1,
        "usual_display": usual,
        "direction": direction,
        "good": False,
        "note": note,
    }


def told(body: dict[str, Any], *, report_url: str, repeat: bool = False) -> Message:
    """The message about the body as it is stored."""
    return telegram_message(Body.read(body), report_url=report_url, repeat=repeat)

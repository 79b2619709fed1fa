"""Chats that were read, as one page to look at: escaped, without scripts and without anything from outside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from analysis.chats.reading import ChatReading
from analysis.intents import Intent
from analysis.intents.titles import REASONS
from analysis.reading import vocabulary as v

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2330;background:#f6f7f9}
article{background:#fff;border:1px solid #dde1e8;border-radius:10px;padding:1rem 1.25rem;margin:0 0 1.5rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:.2rem 0 .6rem}
.line{margin:.35rem 0;padding:.45rem .7rem;border-radius:8px;max-width:46rem;white-space:pre-wrap;overflow-wrap:anywhere}
.client{background:#eef2f7}.manager{background:#e7f4ea;margin-left:3rem}.bot{background:#f3f0fa;margin-left:3rem}
.needs{border-left:4px solid #c2410c}.meta{color:#5b6472;font-size:.82rem}.wait{color:#c2410c;font-weight:600}
dl{display:grid;grid-template-columns:10rem 1fr;gap:.15rem .8rem;margin:.6rem 0}dt{color:#5b6472}dd{margin:0}
"""
_WHO = {"client": "Клиент", "manager": "Мы", "bot": "Робот"}
_MEDIA = {
    "voice": "голосовое", "photo": "фото", "video": "видео", "file": "файл", "sticker": "стикер", "location": "геолокация", "reaction": "реакция",
}  # fmt: skip


def page(read: Sequence[ChatReading]) -> str:
    """The whole page."""
    waiting = sum(1 for one in read if _waits(one))
    return (
        f"<!doctype html><html lang='ru'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>Synkro: прочитанные чаты</title><style>{_STYLE}</style></head><body>"
        f"<h1>Чатов: {len(read)}, ждут ответа: {waiting}</h1>" + "".join(map(_article, read)) + "</body></html>"
    )


def _waits(one: ChatReading) -> bool:
    """Something the client said after our last message needs an answer."""
    ours = max((i for i, m in enumerate(one.chat.messages) if m.who == "manager"), default=-1)
    return any(intent is not None and intent.needs_reply for intent in one.intents[ours + 1 :])


def _article(one: ChatReading) -> str:
    wait = "<p class='wait'>Клиент ждёт ответа</p>" if _waits(one) else ""
    lines = "".join(
        f"<div class='line {m.who}{' needs' if intent and intent.needs_reply else ''}'>"
        f"<div class='meta'>{_WHO[m.who]}{' · ' + escape(m.name) if m.name else ''} · {m.at:%d.%m.%Y %H:%M}{_intent(intent)}</div>"
        f"{escape(' '.join(f'[{_MEDIA[kind]}]' for kind in m.media))}{' ' if m.media and m.text else ''}{escape(m.text)}</div>"
        for m, intent in zip(one.chat.messages, one.intents, strict=True)
    )
    return f"<article><h2>{escape(one.chat.dialog)}</h2>{wait}{_reading(one)}{lines}</article>"


def _intent(intent: Intent | None) -> str:
    if intent is None:
        return ""
    need = "нужен ответ" if intent.needs_reply else "ответ не нужен"
    sure = f"{intent.confidence:.0%}" if intent.is_sure else "не уверен"
    return f" · {need}: {REASONS[intent.reason]} · {sure}"


def _reading(one: ChatReading) -> str:
    reading = one.reading
    if reading is None:
        return "<p>Чат слишком длинный: прочитаны только сообщения.</p>"
    rows = [
        ("О чём", list(dict.fromkeys(one.topics.label(item.kind) for item in reading.topics))),
        ("Хочет", [reading.wish.text] if reading.wish else []),
        ("Чем кончилось", [f"{v.OUTCOMES[reading.outcome.kind]}: «{reading.outcome.quote}»"] if reading.outcome else []),
        ("Возражения", [f"{v.OBJECTIONS[item.kind]}: «{item.quote}»" for item in reading.objections]),
        ("Обещали мы", [f"«{p.quote}»{f' (до {p.deadline:%d.%m})' if p.deadline else ''}" for p in reading.promises if p.who == "manager"]),
        ("Обещал клиент", [f"«{p.quote}»" for p in reading.promises if p.who == "client"]),
        ("Риски", [f"{v.RISKS[item.kind]}: «{item.quote}»" for item in reading.risks]),
        ("Дальше", [v.NEXT_STEPS[reading.next_step.kind]] if reading.next_step else []),
    ]  # fmt: skip
    shown = "".join(f"<dt>{name}</dt><dd>{'<br>'.join(map(escape, said))}</dd>" for name, said in rows if said)
    return f"<dl>{shown}</dl>" if shown else ""

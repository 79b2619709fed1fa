"""Exports of WhatsApp chats: nothing is asked, administrators upload what their phones make."""

from __future__ import annotations

from synkro.connectors.connector import Capability, Connector, Field, Stream

WHATSAPP = Connector(
    name="whatsapp",
    labels={"ru": "Выгрузки WhatsApp", "en": "WhatsApp exports"},
    capabilities=frozenset({Capability.DIALOGS}),
    #: names under which our people write, comma separated
    fields=(Field("managers"),),
    streams=(
        Stream("chats", "диалоги", is_required=True),
        Stream("messages", "сообщения", is_required=True),
    ),
    api=None,
)

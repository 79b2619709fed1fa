"""Radist.Online: one company number, one key, whatever messengers it connects."""

from __future__ import annotations

from synkro.connectors.connector import Api, Capability, Connector, Field, Stream

_HOSTS = ("api.radist.online", "api-ru.radist.online")

RADIST = Connector(
    name="radist",
    labels={"ru": "Radist", "en": "Radist"},
    capabilities=frozenset({Capability.DIALOGS}),
    fields=(
        Field("company_id", is_address=True),
        Field("host", choices=_HOSTS, is_address=True),
        Field("base_url", is_address=True, is_local=True),
        Field("requests_per_second", is_hidden=True),
    ),
    secrets=("api_key",),
    name_in_report="Radist.Online",
    bound_to="company_id",
    streams=(
        Stream("sources", "каналы"),
        Stream("chats", "диалоги", is_required=True),
        Stream("messages", "сообщения", is_required=True),
    ),
    api=Api(
        hosts=_HOSTS,
        host_field="host",
        path="/v2",
        account_field="company_id",
        # the 6th request of a second is refused, and the 2nd on /chats/ and /contacts/
        requests_per_second=5,
        listings_per_second=1,
        on_unauthorized="Проверьте ключ Radist в настройках: он мог быть отозван.",
    ),
)

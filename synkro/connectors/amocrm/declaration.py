"""amoCRM and Kommo, one product under three zones."""

from __future__ import annotations

from synkro.connectors.connector import Api, Capability, Connector, Field, Stream

AMOCRM = Connector(
    name="amocrm",
    labels={"ru": "amoCRM", "en": "amoCRM"},
    capabilities=frozenset({Capability.DEALS, Capability.MANAGERS}),
    fields=(
        Field("subdomain", is_address=True),
        Field("zone", choices=("amocrm.ru", "amocrm.com", "kommo.com"), is_address=True),
        Field("base_url", is_address=True, is_local=True),
        Field("client_id"),
        Field("redirect_uri"),
        Field("requests_per_second", is_hidden=True),
    ),
    secrets=("access_token", "client_secret", "refresh_token"),
    bound_to="account_id",
    deal_path="/leads/detail/",
    streams=(
        Stream("account", "аккаунт"),
        Stream("users", "сотрудники"),
        Stream("pipelines", "воронки"),
        Stream("loss_reasons", "причины отказа"),
        Stream("leads", "сделки", is_required=True),
        Stream("contacts", "контакты", is_required=True),
        Stream("events", "события", is_required=True),
        # calls, which are notes, answer a client too
        Stream("notes", "звонки и примечания", is_required=True),
        Stream("tasks", "задачи"),
        Stream("deleted", "удалённое"),
    ),
    api=Api(
        hosts=("amocrm.ru", "amocrm.com", "kommo.com"),
        host_field="zone",
        subdomain_field="subdomain",
        requests_per_second=7,
        harmless_requests=frozenset({("POST", "/oauth2/access_token")}),
        is_blocked_by_403=True,
        on_unauthorized="Проверьте подключение amoCRM в настройках и выдайте доступ заново.",
        on_forbidden=(
            "amoCRM отказывает в доступе: API заблокирован или нет прав. Проверьте права пользователя, "
            "выдавшего доступ, или напишите в поддержку amoCRM, затем проверьте подключение."
        ),
    ),
)

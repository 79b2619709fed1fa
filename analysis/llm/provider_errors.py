"""What an exception of the openai SDK means: one of ours with a sentence for the operator, and whether it may have cost money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from synkro.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    PermanentError,
    SynkroError,
    TransientError,
)
from synkro.http.body import BodyTooLarge
from synkro.http.errors import never_sent, of_cause


def may_cost(error: Exception) -> bool:
    """The provider may have worked for an answer that did not reach us: cut, too late, too long, not readable."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return False
    if isinstance(error, openai.APIConnectionError):
        guard = next((e for e in _chain(error) if isinstance(e, SynkroError)), None)
        if guard is not None:
            return isinstance(guard, BodyTooLarge)
        return not any(never_sent(cause) for cause in _chain(error))
    return not isinstance(error, SynkroError) or isinstance(error, BodyTooLarge)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(20):
        if error is None:
            return
        yield error
        error = error.__cause__


def refuses_schema(error: Exception) -> bool:
    status = getattr(error, "status_code", None)
    return status in (400, 404, 422) and any(
        word in str(error).lower() for word in ("response_format", "json_schema", "schema")
    )


def classify(error: Exception, base_url: str) -> SynkroError:
    """An exception of the SDK as one of ours, with a sentence for the operator."""
    import openai

    for cause in _chain(error):
        # the SDK wraps what our transport's guards raise
        if isinstance(cause, SynkroError):
            return cause
        if (told := of_cause("ai", base_url, cause)) is not None:
            return told
    detail = f"{type(error).__name__}: {error}"[:500]
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return AuthenticationError("AI-провайдер не принимает ключ. Проверьте его в настройках.", detail=detail)
    if isinstance(error, openai.NotFoundError):
        return ConfigurationError(
            "AI-провайдер не знает такой модели или адреса. Проверьте их в настройках.", detail=detail
        )
    if isinstance(error, openai.RateLimitError):
        if "insufficient_quota" in str(error):
            return PermanentError("У AI-провайдера кончились деньги на счёте. Пополните его.", detail=detail)
        return TransientError(
            "AI-провайдер просит реже обращаться.", detail=detail, retry_after=_retry_after(error.response.headers)
        )
    if isinstance(error, openai.APIStatusError):
        if error.status_code >= 500 or error.status_code in (408, 409, 425):
            return TransientError(f"AI-провайдер временно не отвечает (ошибка {error.status_code}).", detail=detail)
        return PermanentError(f"AI-провайдер не принял запрос (ошибка {error.status_code}).", detail=detail)
    if isinstance(error, openai.APIConnectionError):
        return TransientError("AI-провайдер: связь прервалась.", detail=detail)
    return DataError("Ответ AI-провайдера не удалось разобрать.", detail=detail)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        return float(headers.get("retry-after", ""))
    except ValueError:
        return None

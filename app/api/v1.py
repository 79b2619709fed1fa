"""``/api/health`` for machines, ``/api/v1`` for people's programs: session cookie, and an ``Origin`` of ours for writes.

Shapes: ``synkro/reporting/public_json.py``. Errors: ``{"error": {"kind", "message"}}``; a foreign and an absent id answer alike.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import JSONResponse, Response

from app import static_pages
from app.offload import off_loop
from app.texts import t
from services import access, audit_log, health
from services.access import Viewer
from services.reports import published, runs
from synkro.core.errors import NotFoundError, SynkroError
from synkro.reporting import public_json

router = APIRouter(prefix="/api")
T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=200)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Iso = Annotated[str, Body(min_length=8, max_length=40)]

_STATUS = {
    "not_found": 404,
    "forbidden": 403,
    "authentication": 401,
    "transient": 503,
    "configuration": 409,
    "data": 422,
}


async def on_synkro_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, SynkroError)
    status = _STATUS.get(error.kind, 409)
    if not request.url.path.startswith("/api/"):
        return static_pages.not_found() if status == 404 else static_pages.refused(error.message, status)
    message = "Не найдено." if status == 404 else error.message
    return JSONResponse({"error": {"kind": error.kind, "message": message}}, status)


async def _as(request: Request, work: Callable[[Viewer], T]) -> T:
    caller = request.state.caller
    ip_address = request.client.host if request.client else None

    def both() -> T:
        viewer = access.viewer(caller.user, ip_address)
        if "slug" in request.path_params:
            audit_log.note_look(viewer, request.path_params["slug"], request.url.path)
        return work(viewer)

    return await off_loop(both)


@router.get("/health", summary="Всё ли в порядке; что нездорово, названо")
async def health_check(request: Request) -> JSONResponse:
    """Counts are the operator's; anybody else gets an answer of the last seconds."""
    caller = request.state.caller

    def look() -> dict[str, Any]:
        is_operator = caller is not None and access.viewer(caller.user, None).is_operator
        return health.check() if is_operator else health.for_strangers()

    said = await off_loop(look)
    return JSONResponse(said, 503 if said["status"] == "down" else 200)


@router.get("/v1/tenants", summary="Компании, которые вы видите")
async def tenants(request: Request) -> list[dict[str, Any]]:
    return await _as(request, lambda who: [public_json.tenant_json(tenant) for tenant in access.visible(who)])


@router.get("/v1/tenants/{slug}/reports", summary="Действующие отчёты компании, новые сверху")
async def tenant_reports(request: Request, slug: str, limit: Limit = 50, offset: Offset = 0) -> list[dict[str, Any]]:
    return await _as(
        request, lambda who: [one.to_json() for one in published.recent(who, slug, limit=limit, offset=offset)]
    )


@router.get("/v1/tenants/{slug}/reports/{report_id}", summary="Отчёт")
async def tenant_report(request: Request, slug: str, report_id: str) -> dict[str, Any]:
    return await _as(request, lambda who: published.by_id(who, report_id, slug).to_json())


@router.get("/v1/reports/{report_id}", summary="Отчёт, когда компания не названа")
async def report(request: Request, report_id: str) -> dict[str, Any]:
    def work(who: Viewer) -> dict[str, Any]:
        found = published.by_id(who, report_id)
        audit_log.note_look(who, found.tenant.tenant_id, request.url.path)
        return found.to_json()

    return await _as(request, work)


@router.get("/v1/tenants/{slug}/runs", summary="Последние запуски компании")
async def tenant_runs(request: Request, slug: str, limit: Limit = 50) -> list[dict[str, Any]]:
    return await _as(
        request, lambda who: [public_json.run_json(found, slug) for found, _ in runs.recent(who, slug, limit)]
    )


@router.post("/v1/tenants/{slug}/runs", summary="Поставить отчёт за окно в очередь", status_code=202)
async def request_run(
    request: Request,
    slug: str,
    from_: Annotated[str, Body(alias="from", min_length=8, max_length=40)],
    to: Iso,
    exceed_limits: Annotated[str, Body(max_length=500)] = "",
) -> dict[str, Any]:
    """``exceed_limits``: the operator's reason to go beyond the company's limits; it is kept in the audit log."""
    return await _as(
        request, lambda who: public_json.run_json(runs.request(who, slug, from_, to, exceed_limits)[0], slug)
    )


@router.post("/v1/tenants/{slug}/backfill", summary="Загрузить историю с этого дня (администратор)", status_code=202)
async def request_history(
    request: Request, slug: str, from_: Annotated[str, Body(alias="from", embed=True, min_length=8, max_length=40)]
) -> dict[str, Any]:
    return await _as(request, lambda who: public_json.run_json(runs.load_history(who, slug, from_)[0], slug))


@router.get("/v1/runs/{run_id}", summary="Запуск")
async def get_run(request: Request, run_id: str) -> dict[str, Any]:
    def work(who: Viewer) -> dict[str, Any]:
        found, tenant = runs.run_of(who, run_id)
        audit_log.note_look(who, tenant.tenant_id, request.url.path)
        return public_json.run_json(found, tenant.slug)

    return await _as(request, work)


@router.post("/v1/runs/{run_id}/stop", summary="Остановить запуск", status_code=202)
async def stop_run(request: Request, run_id: str) -> dict[str, Any]:
    def work(who: Viewer) -> dict[str, Any]:
        return public_json.run_json(runs.stop(who, run_id), runs.run_of(who, run_id)[1].slug)

    return await _as(request, work)


@router.post("/v1/runs/{run_id}/retry", summary="Запустить то же окно ещё раз", status_code=202)
async def retry_run(request: Request, run_id: str) -> dict[str, Any]:
    def work(who: Viewer) -> dict[str, Any]:
        tenant = runs.run_of(who, run_id)[1]
        return public_json.run_json(runs.retry(who, run_id)[0], tenant.slug)

    return await _as(request, work)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The routes as a plain list: the usual viewers load their scripts from elsewhere, which the CSP refuses."""
    rows = []
    for path, operations in request.app.openapi()["paths"].items():
        for method, operation in operations.items():
            rows.append(
                f"<p><span class='badge accent'>{method.upper()}</span> <code>{escape(path)}</code><br>"
                f"<span class='muted small'>{escape(operation.get('summary', ''))}</span></p>"
            )
    return static_pages.document(
        "API", f"<h1>REST API</h1><p class='muted'>{escape(t('api.lead'))}</p>{''.join(rows)}"
        "<p><a href='/api/openapi.json'>openapi.json</a></p>"
    )  # fmt: skip


@router.api_route("/{path:path}", methods=["GET", "POST"], include_in_schema=False)
async def nothing(path: str) -> Response:
    raise NotFoundError("Не найдено.")

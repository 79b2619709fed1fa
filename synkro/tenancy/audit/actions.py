"""Every action a line of the audit log may name: one for each use case, whichever way in it was done by.

The page of the log has a title for each (``app/texts``). Lines are never changed, so the names that older versions of the
command line wrote stay in the log; :data:`RENAMED` says which action each of them is.
"""

from __future__ import annotations

from typing import Literal

Action = Literal[
    # accounts
    "account.added",
    "account.disabled",
    "account.enabled",
    "account.password_reset",
    "login.failed",
    "login.link",
    "login.ok",
    "logout",
    "password.changed",
    "profile.changed",
    "second_factor.codes",
    "second_factor.off",
    "second_factor.on",
    "second_factor.reset",
    "session.ended",
    "session.ended_all",
    # people of a company
    "person.accepted",
    "person.invitation_taken_back",
    "person.invited",
    "person.revoked",
    "person.role_changed",
    # the company and its settings
    "integration.checked",
    "integration.saved",
    "integration.secret_removed",
    "integration.secrets_saved",
    "runtime.changed",
    "telegram.bound",
    "telegram.code_made",
    "telegram.unbound",
    "tenant.added",
    "tenant.disabled",
    "tenant.paused",
    "tenant.renamed",
    "tenant.resumed",
    "topics.changed",
    # runs and reports
    "case.dismissed",
    "case.restored",
    "chats.imported",
    "chats.stored",
    "message.corrected",
    "report.exported",
    "report.followup",
    "run.forced",
    "run.history",
    "run.joined",
    "run.requested",
    "run.retried",
    "run.stopped",
    # the installation
    "analyst.added",
    "analyst.removed",
    "audit.exported",
    "operator.looked",
    "secrets.rotated",
]

#: as the command line wrote it before → the same action now
RENAMED: dict[str, Action] = {
    "analyst.add": "analyst.added",
    "analyst.remove": "analyst.removed",
    "integration.set": "integration.saved",
    "run.request": "run.requested",
    "run.retry": "run.retried",
    "run.stop": "run.stopped",
    "runtime.set": "runtime.changed",
    "secrets.rotate": "secrets.rotated",
    "tenant.add": "tenant.added",
    "tenant.pause": "tenant.paused",
    "tenant.resume": "tenant.resumed",
    "user.add": "account.added",
    "user.bootstrap": "account.added",
    "user.password": "account.password_reset",
}

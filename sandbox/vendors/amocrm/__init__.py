"""amoCRM API v4 over HTTP: ``build_app(world, request_log, faults)``; what it promises is in the module's ``app``."""

from sandbox.vendors.amocrm.app import build_app
from sandbox.vendors.amocrm.oauth import Credentials, credentials

__all__ = ["Credentials", "build_app", "credentials"]

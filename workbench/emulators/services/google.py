"""The Google token endpoint: exchanges a service account's signed assertion for an access token.

Access tokens are signed, not stored: a client's token stays valid when the emulator restarts.

Deviations: see the README of `workbench/emulators`.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives import serialization
from starlette.responses import JSONResponse
from starlette.routing import Route

from workbench.emulators.keys import SERVICE_ACCOUNT
from workbench.emulators.registry import Emulator

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from workbench.emulators.faults import Fault
    from workbench.emulators.registry import Context

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"  # what google-auth asserts, whatever the key file says
TOKEN_SECONDS = 3600
CLOCK_SKEW_SECONDS = 300
SHORT_LIVED = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


class TokenEndpoint:
    """`POST /token`, and the check of the tokens that it issued.

    :param keys: the folder with the key of the only service account.
    """

    def __init__(self, keys: Path) -> None:
        account = json.loads((keys / SERVICE_ACCOUNT).read_bytes())
        private_key = serialization.load_pem_private_key(account["private_key"].encode(), password=None)
        self._public_key: Any = private_key.public_key()
        self._client = account["client_email"]
        self._audiences = {AUDIENCE, account["token_uri"]}
        self._secret = hashlib.sha256(account["private_key"].encode()).digest()

    async def exchange(self, request: Request) -> Response:
        """Answer as Google's OAuth 2.0 server does."""
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        grant = form.get("grant_type")
        if grant != GRANT:
            return _error("unsupported_grant_type", f"Invalid grant_type: {grant or ''}")
        if not form.get("assertion"):
            return _error("invalid_request", "Missing required parameter: assertion")
        try:
            claims = self._verified(form["assertion"])
        except _InvalidGrant as error:
            return _error("invalid_grant", str(error))
        if not claims.get("scope"):
            return _error("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        now = int(time.time())
        token = jwt.encode({"scope": claims["scope"], "exp": now + TOKEN_SECONDS}, self._secret, algorithm="HS256")
        return JSONResponse(
            {"access_token": f"ya29.{token}", "expires_in": TOKEN_SECONDS - 1, "token_type": "Bearer"},
            headers={"Cache-Control": "no-cache, no-store, max-age=0, must-revalidate"},
        )

    def scopes(self, access_token: str) -> set[str] | None:
        """Return the scopes of an access token; None where it is not a valid token or has expired."""
        try:
            claims = jwt.decode(access_token.removeprefix("ya29."), self._secret, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            return None
        return set(claims["scope"].split())

    def _verified(self, assertion: str) -> dict[str, Any]:
        unchecked = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
        try:
            claims: dict[str, Any] = jwt.decode(assertion, self._public_key, algorithms=["RS256"], options=unchecked)
        except jwt.InvalidSignatureError:
            raise _InvalidGrant("Invalid JWT Signature.") from None
        except jwt.InvalidTokenError:
            raise _InvalidGrant("Bad Request") from None
        if claims.get("iss") != self._client:
            raise _InvalidGrant("Invalid grant: account not found")
        if claims.get("aud") not in self._audiences:
            raise _InvalidGrant(f"Invalid JWT: Failed audience check. The right audience is {AUDIENCE}")
        issued, expires, now = claims.get("iat", 0), claims.get("exp", 0), time.time()
        if not (
            expires > now - CLOCK_SKEW_SECONDS
            and issued < now + CLOCK_SKEW_SECONDS
            and expires - issued <= TOKEN_SECONDS
        ):
            raise _InvalidGrant(SHORT_LIVED)
        return claims


class _InvalidGrant(Exception):  # noqa: N818  # named as OAuth names it
    """The assertion is not accepted."""


def _error(error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status_code=400)


def _routes(context: Context) -> list[Route]:
    return [Route("/token", TokenEndpoint(context.keys).exchange, methods=["POST"])]


def _failure(fault: Fault) -> Response:
    status, error = (429, "rate_limit_exceeded") if fault.kind == "limit" else (500, "internal_failure")
    retry = {"Retry-After": str(max(1, round(fault.seconds)))}
    return JSONResponse({"error": fault.error or error}, status_code=400 if fault.error else status, headers=retry)


EMULATOR = Emulator("google_cloud_default", "/token", _routes, _failure)

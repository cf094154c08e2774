"""The Google token endpoint, driven by google-auth."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.emulators import Connections

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def account(emulators: Connections) -> dict[str, str]:
    found: dict[str, str] = json.loads((emulators.keys / "google_service_account.json").read_text())
    return found


def ask(account: dict[str, str], *, key: Any = None, **changes: Any) -> httpx.Response:
    now = int(time.time())
    claims = {"iss": account["client_email"], "aud": account["token_uri"], "iat": now, "exp": now + 3600, "scope": "s"}
    assertion = jwt.encode(claims | changes, key or account["private_key"], algorithm="RS256")
    return httpx.post(account["token_uri"], data={"grant_type": GRANT, "assertion": assertion}, trust_env=False)


def test_token(account: dict[str, str]) -> None:
    """A signed assertion gets a token."""
    answer = ask(account)
    assert answer.status_code == httpx.codes.OK
    assert answer.json().items() >= {"expires_in": 3599, "token_type": "Bearer"}.items()
    assert answer.json()["access_token"].startswith("ya29.")


def test_forged_signature(account: dict[str, str]) -> None:
    """A forged signature is refused."""
    answer = ask(account, key=rsa.generate_private_key(65537, 2048))
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json() == {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        (
            {"exp": 1_700_000_000, "iat": 1_699_996_400},
            "invalid_grant",
            "Token must be a short-lived token (60 minutes)",
        ),
        ({"exp": 4_000_000_000}, "invalid_grant", "Token must be a short-lived token (60 minutes)"),
        ({"iss": "someone@else.example"}, "invalid_grant", "account not found"),
        ({"aud": "https://elsewhere.example/token"}, "invalid_grant", "Failed audience check"),
        ({"scope": ""}, "invalid_scope", "Invalid OAuth scope"),
    ],
)
def test_wrong_claim(account: dict[str, str], changes: dict[str, Any], error: str, description: str) -> None:
    """A wrong claim is refused."""
    answer = ask(account, **changes)
    assert (answer.status_code, answer.json()["error"]) == (httpx.codes.BAD_REQUEST, error)
    assert description in answer.json()["error_description"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": GRANT}, "invalid_request"),
        ({"grant_type": GRANT, "assertion": "no jwt"}, "invalid_grant"),
    ],
)
def test_wrong_form(account: dict[str, str], form: dict[str, str], error: str) -> None:
    """A wrong form is refused."""
    answer = httpx.post(account["token_uri"], data=form, trust_env=False)
    assert (answer.status_code, answer.json()["error"]) == (httpx.codes.BAD_REQUEST, error)


def test_google_auth(account: dict[str, str]) -> None:
    """google-auth raises an error with the reason."""
    info = account | {"client_email": "someone@else.example"}
    with Request().session as session, pytest.raises(RefreshError, match="account not found"):
        Credentials.from_service_account_info(info, scopes=["s"]).refresh(Request(session))


def test_fault(account: dict[str, str], fault: Callable[..., None]) -> None:
    """A fault for google applies to the token endpoint."""
    fault(service="google", kind="error", error="invalid_grant", times=1)
    assert ask(account).json()["error"] == "invalid_grant"
    assert ask(account).status_code == httpx.codes.OK

"""Read Google Sheets by the connection `google_cloud_default`, with google-auth alone.

The connection's extra, as the google provider writes it: `key_path` (a service account's key file) or
`keyfile_dict`, optionally `scope`, and `api_endpoint` for another server than Google's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from common.errors import AccessRefusedError

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession

#: The folder of the checkout, in which a relative `key_path` begins.
ROOT = Path(__file__).resolve().parent.parent

CONNECTION = "google_cloud_default"
API = "https://sheets.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/spreadsheets.readonly"
TIMEOUT_SECONDS = 60
#: Answers that a retry cannot change; others (429, 5xx) may pass.
_REFUSALS = {400, 401, 403, 404}


def read_values(spreadsheet: str, cells: str, conn_id: str = CONNECTION) -> list[list[Any]]:
    """Read a range (a tab's name, or A1 notation) as rows of cells.

    :return: rows; Google leaves out empty cells at the end of a row and empty rows at the end.
    :raises AccessRefusedError: where Google does not accept the key, the spreadsheet or the range.
    :raises requests.RequestException: where a retry may help.
    """
    from airflow.hooks.base import BaseHook
    from google.auth.exceptions import RefreshError

    extra = BaseHook.get_connection(conn_id).extra_dejson
    where = f"{quote(spreadsheet, safe='')}/values/{quote(cells, safe='')}"
    url = f"{extra.get('api_endpoint', API).rstrip('/')}/v4/spreadsheets/{where}"
    with _session(extra, conn_id) as session:
        try:
            response = session.get(url, timeout=TIMEOUT_SECONDS)
        except RefreshError as error:
            if error.retryable:
                raise
            raise AccessRefusedError(
                "Google", f"Google did not accept the service account's key: {error}", conn_id
            ) from None
    if response.status_code in _REFUSALS:
        raise AccessRefusedError("Google Sheets", f"{spreadsheet!r}, {cells!r}: {_reason(response.text)}", conn_id)
    response.raise_for_status()
    values: list[list[Any]] = response.json().get("values", [])
    return values


def _session(extra: dict[str, Any], conn_id: str) -> AuthorizedSession:
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2.service_account import Credentials

    scopes = [scope.strip() for scope in extra.get("scope", SCOPE).split(",")]
    try:
        if keyfile := extra.get("keyfile_dict"):
            info = json.loads(keyfile) if isinstance(keyfile, str) else keyfile
            credentials = Credentials.from_service_account_info(info, scopes=scopes)
        else:
            credentials = Credentials.from_service_account_file(ROOT / extra["key_path"], scopes=scopes)
    except KeyError:
        raise AccessRefusedError("Google", "the connection has no key: set extra.key_path", conn_id) from None
    except OSError as error:
        why = f"the service account's key {error.filename} cannot be read: {error.strerror}"
        raise AccessRefusedError("Google", why, conn_id) from None
    except ValueError as error:
        raise AccessRefusedError("Google", f"the service account's key is not valid: {error}", conn_id) from None
    return AuthorizedSession(credentials)


def _reason(body: str) -> str:
    """Return the message of Google's error body."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200]

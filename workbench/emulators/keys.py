"""Create the throwaway keys: a local certificate authority, the server's certificate, a Google service account key.

The authority's private key is never written: it signs one certificate and is discarded, so that nothing on the disk
can sign a certificate for another host. When the certificate no longer fits, all are created again.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import ipaddress
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import certifi
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LOOPBACK = ("localhost", "127.0.0.1", "::1")
LIFETIME = dt.timedelta(days=800)  # what Apple's TLS accepts at most is 825
RENEW_BEFORE = dt.timedelta(days=30)
SERVICE_ACCOUNT = "google_service_account.json"


def ensure(keys: Path, hosts: Sequence[str], port: int) -> None:
    """Create the keys that are missing, expired or for another address.

    :param hosts: host names and addresses that clients use, in addition to loopback; the Google key holds the first.
    :param port: the port of the Google token endpoint.
    """
    try:
        keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(keys):
            wanted = list(dict.fromkeys([*hosts, *LOOPBACK]))
            if not _fits(keys, wanted):
                _make_certificates(keys, wanted)
            _make_bundle(keys)
            _make_service_account(keys, f"http://{hosts[0] if hosts else '127.0.0.1'}:{port}")
    except OSError as error:
        raise UserError(
            f"the keys cannot be created in {keys}", str(error), "free disk space, or make your user the folder's owner"
        ) from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep two processes from creating one set of keys at once."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _fits(keys: Path, hosts: Sequence[str]) -> bool:
    try:
        authority = x509.load_pem_x509_certificate((keys / "ca.pem").read_bytes())
        server = x509.load_pem_x509_certificate((keys / "server.pem").read_bytes())
        private = serialization.load_pem_private_key((keys / "server.key").read_bytes(), password=None)
        server.verify_directly_issued_by(authority)
    except (OSError, ValueError, InvalidSignature):
        return False
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    known = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    return (
        private.public_key() == server.public_key()
        and server.not_valid_after_utc > dt.datetime.now(dt.UTC) + RENEW_BEFORE
        and known.issuperset(hosts)
    )


def _make_certificates(keys: Path, hosts: Sequence[str]) -> None:
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("Airflow workbench emulators CA")
    authority = (
        _certificate(issuer, issuer, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    server = (
        _certificate(_name("Airflow workbench emulators"), issuer, server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative_name(host) for host in hosts]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write(keys / "server.key", _pem(server_key), mode=0o600)
    _write(keys / "server.pem", server.public_bytes(serialization.Encoding.PEM))
    _write(keys / "ca.pem", authority.public_bytes(serialization.Encoding.PEM))


def _make_bundle(keys: Path) -> None:
    """Join the certificates that this machine trusts and the authority: a company's proxy stays trusted."""
    trusted_file = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or certifi.where()
    bundle = keys / "ca-bundle.pem"
    authority = (keys / "ca.pem").read_bytes()
    if bundle.exists() and bundle.samefile(trusted_file):
        trusted_file = certifi.where()  # the environment uses this bundle already
    try:
        with open(trusted_file, "rb") as file:  # noqa: PTH123  # a path from the environment, used unchanged
            trusted = file.read()
    except OSError as error:
        raise UserError(
            "the trusted certificates cannot be read", str(error), "fix or unset REQUESTS_CA_BUNDLE and SSL_CERT_FILE"
        ) from None
    _write(bundle, trusted.rstrip() + b"\n" + authority)


def _make_service_account(keys: Path, url: str) -> None:
    """Write a key file as Google's console does, whose token endpoint is the emulator."""
    path = keys / SERVICE_ACCOUNT
    try:
        account = json.loads(path.read_bytes())
        private_key = account["private_key"]
    except (OSError, ValueError, KeyError):
        private_key = _pem(rsa.generate_private_key(65537, 2048)).decode()
    account = {
        "type": "service_account",
        "project_id": "offline",
        "private_key_id": "offline",
        "private_key": private_key,
        "client_email": "workbench@offline.iam.gserviceaccount.com",
        "client_id": "100000000000000000000",
        "auth_uri": f"{url}/auth",
        "token_uri": f"{url}/token",
        "universe_domain": "googleapis.com",
    }
    _write(path, json.dumps(account, indent=2).encode() + b"\n", mode=0o600)


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file atomically, unless it holds this content already."""
    if path.exists() and path.read_bytes() == content:
        return
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    draft.replace(path)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _certificate(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=public_key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - dt.timedelta(days=1),  # the clock of a virtual machine may be late after sleep
        not_valid_after=now + LIFETIME,
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

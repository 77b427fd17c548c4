"""Trust: which certificates a server must show."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from codex_kernel.errors import ConfigError

if TYPE_CHECKING:
    import ssl

_contexts: dict[tuple[str | None, ...], ssl.SSLContext] = {}


def ssl_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """The client context for `environ`, made once per process (reading the roots costs 10-20 ms).

    SSL_CERT_FILE and SSL_CERT_DIR replace the trusted roots, CODEX_CA_CERTIFICATE adds to them; otherwise
    certifi's are used if it is installed, else the system's. Raises `ConfigError` for an unreadable file.
    """
    key = tuple(environ.get(name) or None for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "CODEX_CA_CERTIFICATE"))
    context = _contexts.get(key)
    if context is None:
        context = _contexts[key] = _make(*key)
    return context


def _make(cafile: str | None, capath: str | None, extra: str | None) -> ssl.SSLContext:
    import ssl

    roots = None if cafile or capath else _certifi_roots()
    try:
        context = ssl.create_default_context(cafile=cafile or roots, capath=capath)
    except OSError as error:
        names = [f"{k}={v}" for k, v in (("SSL_CERT_FILE", cafile), ("SSL_CERT_DIR", capath)) if v]
        raise ConfigError(f"{' '.join(names) or roots}: the certificates cannot be loaded: {error}") from error
    if extra:
        try:
            context.load_verify_locations(cafile=extra)
        except OSError as error:
            raise ConfigError(f"CODEX_CA_CERTIFICATE={extra}: the certificates cannot be loaded: {error}") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _certifi_roots() -> str | None:
    # Importing certifi costs more than reading its file, which lies beside its __init__.
    from importlib.util import find_spec

    spec = find_spec("certifi")
    if spec is None or spec.origin is None:
        return None
    path = os.path.join(os.path.dirname(spec.origin), "cacert.pem")
    if os.path.isfile(path):
        return path
    import certifi  # a zipped or patched installation knows better where it keeps the file

    return certifi.where()

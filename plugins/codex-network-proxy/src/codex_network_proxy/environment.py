"""The variables by which common tools find the proxy."""

from __future__ import annotations

from collections.abc import Mapping

_OWN = "localhost,127.0.0.1,::1"


def proxy_environ(port: int) -> Mapping[str, str]:
    """The environment of a command whose proxy is at 127.0.0.1:`port`.

    The command's own loopback servers stay reachable directly. ALL_PROXY names the HTTP proxy, too, although
    SOCKS5 is served on the same port: with a SOCKS URL there, Python programs that use httpx (most model SDKs)
    do not even start without an extra package, and whoever reads ALL_PROXY can tunnel through HTTP.
    """
    url = f"http://127.0.0.1:{port}"
    plain = {"HTTP_PROXY": url, "HTTPS_PROXY": url, "ALL_PROXY": url, "NO_PROXY": _OWN}
    return {
        **plain,
        **{name.lower(): text for name, text in plain.items()},
        "CARGO_HTTP_PROXY": url,
        "CLOUDSDK_PROXY_ADDRESS": "127.0.0.1",
        "CLOUDSDK_PROXY_PORT": str(port),
        "CLOUDSDK_PROXY_TYPE": "http",
        "ELECTRON_GET_USE_PROXY": "true",
        "GLOBAL_AGENT_HTTP_PROXY": url,
        "GLOBAL_AGENT_HTTPS_PROXY": url,
        "GLOBAL_AGENT_NO_PROXY": _OWN,
        "NODE_USE_ENV_PROXY": "1",
        "PIP_PROXY": url,
        "YARN_HTTP_PROXY": url,
        "YARN_HTTPS_PROXY": url,
        "npm_config_https_proxy": url,
        "npm_config_noproxy": _OWN,
        "npm_config_proxy": url,
    }

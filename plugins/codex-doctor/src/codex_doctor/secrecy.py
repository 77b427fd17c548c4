"""Keeping secrets out of the report, whatever a check puts into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from codex_plugin_sdk import Finding
from codex_plugin_sdk.redact import Redactor

_ENDINGS = ("token", "secret", "password", "passwd", "api_key", "apikey", "authorization")
_WHOLE_TABLES = frozenset({"http_headers", "query_params", "headers", "env"})


def redactor(environ: Mapping[str, str], options: Mapping[str, object]) -> Callable[[Finding], Finding]:
    """Takes out of a finding what looks like a secret, the secrets of the environment, and values of the
    configuration that are secret by their key (tokens, headers, queries of addresses)."""
    secrets = dict.fromkeys(_secrets(options, hidden=False))
    # The redactor knows the secrets of an environment by the names of their variables.
    named = {f"config_{number}_SECRET": text for number, text in enumerate(secrets)}
    keys = {f"{name}_SECRET": environ.get(name, "") for name in _key_variables(options) if name.isidentifier()}
    clean = Redactor({**environ, **keys, **named}).redact_text

    def redact(finding: Finding) -> Finding:
        return finding.replace(
            message=clean(finding.message),
            cure=clean(finding.cure),
            details={name: _cleaned(found, clean) for name, found in finding.details.items()},
        )

    return redact


def _cleaned(found: object, clean: Callable[[str], str]) -> object:
    match found:
        case None | bool() | int() | float():
            return found
        case Mapping():
            return {clean(str(name)): _cleaned(below, clean) for name, below in found.items()}
        case list() | tuple() | set() | frozenset():
            return [_cleaned(entry, clean) for entry in found]
        case _:
            return clean(str(found))


def _secrets(found: object, *, hidden: bool) -> Iterator[str]:
    match found:
        case str():
            if hidden:
                yield found
            elif found.startswith(("http://", "https://")) and "?" in found:
                query = found.partition("?")[2]
                yield query
                yield from (pair.partition("=")[2] for pair in query.split("&"))
        case Mapping():
            for name, below in found.items():
                word = str(name).lower()
                yield from _secrets(below, hidden=hidden or word in _WHOLE_TABLES or word.endswith(_ENDINGS))
        case list() | tuple():
            for entry in found:
                yield from _secrets(entry, hidden=hidden)


def _key_variables(options: Mapping[str, object]) -> Iterator[str]:
    """The variables that providers take keys from: their names need not look like it."""
    providers = options.get("model_providers")
    for table in providers.values() if isinstance(providers, Mapping) else ():
        if isinstance(table, Mapping):
            if isinstance(name := table.get("env_key"), str):
                yield name
            headers = table.get("env_http_headers")
            yield from (str(name) for name in headers.values()) if isinstance(headers, Mapping) else ()

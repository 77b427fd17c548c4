"""Model servers on this machine: where they listen, and what to try when they do not."""

from __future__ import annotations

from collections.abc import Mapping

from codex_plugin_sdk import ConfigError, ProviderInfo, ProviderSetup, Value, value

BASE_URL_VARIABLE = "CODEX_OSS_BASE_URL"
PORT_VARIABLE = "CODEX_OSS_PORT"


@value
class LocalServer(Value):
    """One kind of server. `start` and `fetch` are commands to suggest; `{model}` stands for the model."""

    name: str
    port: int
    start: str
    fetch: str


LOCAL_SERVERS: Mapping[str, LocalServer] = {
    "ollama": LocalServer(name="Ollama", port=11434, start="ollama serve", fetch="ollama pull {model}"),
    "lmstudio": LocalServer(name="LM Studio", port=1234, start="lms server start", fetch="lms get {model}"),
    "llamacpp": LocalServer(
        name="llama.cpp", port=8080, start="llama-server --jinja -m MODEL.gguf", fetch="llama-server -m {model}"
    ),
    "vllm": LocalServer(
        name="vLLM", port=8000, start="vllm serve MODEL --enable-auto-tool-choice", fetch="vllm serve {model}"
    ),
}


def provider_info(id: str) -> ProviderInfo:
    """The built-in provider `id`. It is retried little: a server on this machine is there or it is not."""
    server = LOCAL_SERVERS[id]
    return ProviderInfo(
        id=id,
        name=server.name,
        base_url=f"http://localhost:{server.port}/v1",
        wire_api="chat",
        request_max_retries=1,
        stream_max_retries=2,
    )


def base_url(setup: ProviderSetup) -> str:
    """Where the server is. CODEX_OSS_BASE_URL, then CODEX_OSS_PORT, move the built-in ones.

    Raises `ConfigError` when nothing says where.
    """
    if setup.info.id in LOCAL_SERVERS:
        moved = setup.environ.get(BASE_URL_VARIABLE, "").strip()
        if moved:
            return moved
        port = setup.environ.get(PORT_VARIABLE, "").strip()
        if port:
            if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
                raise ConfigError(f"{PORT_VARIABLE} is {port!r}, which is no port")
            return f"http://localhost:{port}/v1"
    if not setup.info.base_url:
        raise ConfigError(
            f"model provider `{setup.info.id}` has no base_url",
            hint=f'add base_url = "http://HOST:PORT/v1" to [model_providers.{setup.info.id}]',
        )
    return setup.info.base_url


def unreachable_hint(setup: ProviderSetup) -> str:
    """What to try when the built-in server cannot be reached; empty for others."""
    server = LOCAL_SERVERS.get(setup.info.id)
    if server is None:
        return ""
    return f"is {server.name} running? start it with `{server.start}`, or say where it listens with {BASE_URL_VARIABLE}"


def missing_model_hint(setup: ProviderSetup, model: str) -> str:
    """What to try when the server does not know the model (status 404)."""
    server = LOCAL_SERVERS.get(setup.info.id)
    if server is None:
        return f"does the server have a model named {model}, and does base_url end in /v1?"
    return f"get the model with `{server.fetch.format(model=model)}`, or choose another with -m"

"""OpenTelemetry over OTLP/HTTP, as a plugin of codex-agent."""

"""Model provider for the OpenAI Responses API over SSE."""

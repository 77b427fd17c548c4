"""HTTP for providers: one seam, two transports, an SSE decoder, and what every model server needs alike.

- `model_server.ModelServer`: POST to a model server, with keys, headers and errors; what most providers want
- `client.HttpClient`, `message.HttpRequest`: the seam below it; `direct` and `httpx_transport` fulfil it
- `sse.SseDecoder`, `jsondata.loads_lenient`: from bytes to events
- `failures`: what statuses and error objects of model servers mean

Nothing here imports anyio or httpx before a request is sent.
"""

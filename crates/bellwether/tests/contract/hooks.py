"""How bodies are written that are no JSON."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def ndjson(ctx, value):
    if isinstance(value, bytes):
        return value
    values = value if isinstance(value, list) else [value]
    return "\n".join(v if isinstance(v, str) else json.dumps(v) for v in values).encode("utf-8", "surrogatepass")


@schemathesis.serializer("text/csv")
def csv(ctx, value):
    if isinstance(value, bytes):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "surrogatepass")

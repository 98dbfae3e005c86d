#!/bin/sh
# Django 5.2.19 under ASGI: GZipMiddleware makes of each piece of an async StreamingHttpResponse a gzip file of its
# own, one behind the other. httpx 0.28.1 reads the first and drops the rest, so a CSV of 1,000 rows is one row long,
# with status 200. Short pieces grow by it. Django 6.0.10 writes one file, with a flush after each piece.
# Needs Python 3.12 or newer.
#
# Guess before the run: one gzip stream, as of a synchronous iterator.
#
# process_response() of 5.2's django/middleware/gzip.py calls compress_string() for each piece; compress_sequence(), which
# keeps one compressor, was for synchronous iterators only. RFC 1952 allows several members, and Python's gzip reads
# them; httpx's GZipDecoder (httpx/_decoders.py) has one zlib object, which ends with the first.
#
# Seen, of 1,000 rows of 22,890 bytes:
#   Django 5.2.19: 1000 gzip members, larger than without; httpx 21 bytes, gzip.decompress() 22890 bytes
#   Django 6.0.10: 1 gzip members, smaller than without; httpx 22890 bytes, gzip.decompress() 22890 bytes
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import gzip
import sys

import django
import httpx
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"],
    ROOT_URLCONF="finding",
    SECRET_KEY="of no site",
)
sys.modules["finding"] = sys.modules["__main__"]
django.setup()

from django.core.asgi import get_asgi_application
from django.http import StreamingHttpResponse
from django.urls import path


async def rows():
    for number in range(1000):
        yield f"row {number}, of the export\n".encode()


async def export(request):
    return StreamingHttpResponse(rows(), content_type="text/csv")


urlpatterns = [path("", export)]


async def seen():
    transport = httpx.ASGITransport(get_asgi_application())
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        read = (await client.get("/")).content
        async with client.stream("GET", "/") as answer:
            raw = b"".join([piece async for piece in answer.aiter_raw()])
    whole = gzip.decompress(raw)
    return (
        f"{raw.count(bytes([0x1F, 0x8B, 0x08]))} gzip members,"
        f" {'larger' if len(raw) > len(whole) else 'smaller'} than without;"
        f" httpx {len(read)} bytes, gzip.decompress() {len(whole)} bytes"
    )


result = asyncio.run(seen())
print(f"Django {django.__version__}: {result}")
if django.VERSION < (6, 0):
    expected = "1000 gzip members, larger than without; httpx 21 bytes, gzip.decompress() 22890 bytes"
else:
    expected = "1 gzip members, smaller than without; httpx 22890 bytes, gzip.decompress() 22890 bytes"
if result != expected:
    raise SystemExit(f"CHANGED: it was {expected}.")
PYTHON

for version in 5.2.19 6.0.10; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "Django==$version" httpx==0.28.1
    "$folder/$version/bin/python" "$folder/finding.py"
done

"""A compiled Reflex bundle, read from disk into answers that are ready to send."""

import itertools
import logging
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import blake2b
from mimetypes import MimeTypes
from posixpath import dirname

logger = logging.getLogger(__name__)

Headers = tuple[tuple[bytes, bytes], ...]

# The largest body that is sent as one message. The server buffers what a slow client has not
# taken yet, so this bounds what such a client costs; larger files are streamed.
_LARGEST_BODY = 1024 * 1024

# What `frontend_compression_formats` writes beside a file, by the content coding it is.
_SIDECARS = {b"br": ".br", b"zstd": ".zst", b"gzip": ".gz"}

# Types a browser insists on, and those that some Python versions lack. The machine's own
# mime.types is never read: on Windows it is known to call JavaScript text/plain.
_CONTENT_TYPES = {
    ".gz": "application/gzip",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".otf": "font/otf",
    ".ttf": "font/ttf",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".zst": "application/zstd",
}

# Pages of Reflex that are not pages of the app, in the order in which they serve as the shell
# of a route that has no page of its own.
_SHELLS = ("__spa-fallback.html", "404.html", "index.html")
_ASSETS = "/assets/"

# Vite ends a name with 8 characters of base64url. A digit or a capital in it tells a hash from
# a word; the first place does not count, as a word may have its capital there.
_HASHED_NAME = re.compile(r"-[\w-](?=[a-z_-]*[A-Z0-9])[\w-]{7}(?:\.[a-z0-9]+){1,2}$", re.ASCII)

_ENV_NAME = re.compile(r"reflex-env-[\w-]+\.js$", re.ASCII)
_EVENT_ADDRESS = re.compile(rb"""\bEVENT["']?\s*[:=]\s*["'`]wss?://([^/"'`\\\s]+)/""")

_IMMUTABLE = b"public, max-age=31536000, immutable"
_REVALIDATE = b"no-cache"
_NOSNIFF = (b"x-content-type-options", b"nosniff")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the bundle as it lay on disk; two equal ones have the same content."""

    path: str
    size: int
    inode: int
    changed_ns: int
    modified_ns: int

    @property
    def modified(self) -> int:
        """When it was changed, in the seconds since 1970 that HTTP counts in."""
        return self.modified_ns // 1_000_000_000

    @classmethod
    def at(cls, path: str) -> "SourceFile | None":
        """The regular file at ``path``, or None for anything else, a symlink included."""
        try:
            status = os.lstat(path)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return cls(path, status.st_size, status.st_ino, status.st_ctime_ns, status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Representation:
    """One encoding of one file and the headers of its answers."""

    etag: bytes
    headers: Headers
    body: bytes | None
    source: SourceFile | None
    """Where the bytes lie, or None when they lie nowhere, as with a rewritten module."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one path serves: the file as it is, and its precompressed forms."""

    identity: Representation
    encoded: tuple[tuple[bytes, Representation], ...] = ()
    """By content coding, the smallest first."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Every answer of a bundle by path, and the two pages that stand in for missing ones."""

    files: Mapping[str, SourceFile] = field(default_factory=dict[str, SourceFile])
    entries: Mapping[str, Entry] = field(default_factory=dict[str, Entry])
    base: str = ""
    """The ``frontend_path`` the bundle was built with, such as ``/shop``."""
    shell: Entry | None = None
    """The page that becomes any route in the browser."""
    not_found: bytes | None = None
    """The text of the page that is answered with 404."""


def is_hidden(name: str) -> bool:
    """Whether ``name`` is a path segment that is never served: dotfiles and dot segments."""
    return name.startswith(".") and name != ".well-known"


def find_files(directory: str) -> dict[str, SourceFile]:
    """The files that may be served, by URL path; symlinks count only when they stay inside."""
    root = os.path.realpath(directory)
    return {
        path[len(root.rstrip(os.sep)) :].replace(os.sep, "/"): source
        for path in _walk(root)
        if (source := SourceFile.at(_resolve(root, path)))
    }


def _walk(root: str) -> Iterator[str]:
    # A symlinked directory is not descended into, so a loop of them cannot trap us.
    for folder, folders, names in os.walk(root):
        folders[:] = itertools.filterfalse(is_hidden, folders)
        yield from (os.path.join(folder, name) for name in names if not is_hidden(name))


def _resolve(root: str, path: str) -> str:
    """Where ``path`` leads, or an empty string when that is not a visible place in ``root``."""
    if not os.path.islink(path):
        return path
    target = os.path.realpath(path)
    inside = os.path.join(root, "")
    if not target.startswith(inside):
        return ""
    return "" if any(map(is_hidden, target[len(inside) :].split(os.sep))) else target


def read_bundle(files: Mapping[str, SourceFile], *, same_origin: bool, max_memory: int) -> Bundle:
    """Make the answers for ``files``, with up to ``max_memory`` bytes of bodies held."""
    return _Reader(files, max_memory).read(same_origin=same_origin)


class _Reader:
    """Reads one bundle once."""

    def __init__(self, files: Mapping[str, SourceFile], max_memory: int) -> None:
        self._files = {key: file for key, file in files.items() if _is_readable(file)}
        self._listed = files
        self._bodies = dict(self._held_bodies(max_memory))
        self._types = {**MimeTypes().types_map[True], **_CONTENT_TYPES}

    def read(self, *, same_origin: bool) -> Bundle:
        base = _base_of(self._files)
        entries = {key: self._entry(key, base) for key in self._files}
        shells = [entries[key] for name in _SHELLS if (key := f"{base}/{name}") in entries]
        if same_origin and shells:
            entries.update(self._same_origin_modules(base))
        return Bundle(
            files=self._listed,
            entries={**_pages(entries), **entries},
            base=base,
            shell=shells[0] if shells else None,
            not_found=self._body(missing) if (missing := f"{base}/404.html") in entries else None,
        )

    def _held_bodies(self, max_memory: int) -> Iterator[tuple[str, bytes]]:
        """As many files as fit, the smallest first: they are the most, and cost most to open."""
        for key, file in sorted(self._files.items(), key=lambda item: item[1].size):
            if file.size > min(_LARGEST_BODY, max_memory):
                return
            body = _read(file)
            max_memory -= len(body)
            yield key, body

    def _entry(self, key: str, base: str) -> Entry:
        sidecars = {
            coding: key + suffix
            for coding, suffix in _SIDECARS.items()
            # A sidecar that saves nothing is not worth the client's time.
            if key + suffix in self._files
            and self._files[key + suffix].size < self._files[key].size
        }
        common = [
            (b"cache-control", _cache_control(key, base)),
            *([(b"vary", b"Accept-Encoding")] if sidecars else []),
        ]
        content_type = self._content_type(key)
        encoded = [
            (coding, self._stored(sidecar, content_type, [*common, (b"content-encoding", coding)]))
            for coding, sidecar in sidecars.items()
        ]
        identity = self._stored(key, content_type, [*common, (b"accept-ranges", b"bytes")])
        return Entry(
            identity, tuple(sorted(encoded, key=lambda item: self._files[sidecars[item[0]]].size))
        )

    def _stored(
        self, key: str, content_type: bytes, headers: Sequence[tuple[bytes, bytes]]
    ) -> Representation:
        """The file as it lies on disk; a held body's ETag is the same on every machine."""
        file, body = self._files[key], self._bodies.get(key)
        stamp = f"{key} {file.size} {file.modified_ns}".encode("utf-8", "surrogateescape")
        modified = (b"last-modified", formatdate(file.modified, usegmt=True).encode())
        return _representation(
            body, content_type, [*headers, modified], of=stamp if body is None else body, file=file
        )

    def _same_origin_modules(self, base: str) -> Iterator[tuple[str, Entry]]:
        """The modules with the backend's addresses, made to compute them in the browser."""
        folder = base + _ASSETS
        keys = [key for key in self._files if _ENV_NAME.fullmatch(key.removeprefix(folder))]
        if not keys:
            logger.warning("%s*.js is not in the bundle: %s", f"{folder}reflex-env-", _REMEDY)
        for key in keys:
            body = same_origin_module(self._body(key))
            if body is None:
                logger.warning("%s is not as Reflex writes it: %s", key, _REMEDY)
                continue
            headers = [(b"cache-control", _REVALIDATE)]
            content_type = self._content_type(key)
            yield key, Entry(_representation(body, content_type, headers, of=body))

    def _body(self, key: str) -> bytes:
        return self._bodies[key] if key in self._bodies else _read(self._files[key])

    def _content_type(self, key: str) -> bytes:
        suffix = os.path.splitext(key)[1].lower()
        name = self._types.get(suffix, "application/octet-stream")
        return (f"{name}; charset=utf-8" if name.startswith("text/") else name).encode()


_REMEDY = (
    "it is served unchanged, so pages will call the backend address they were built with."
    " Set api_url in rxconfig.py to the public address, rebuild, and pass same_origin=False."
)


def same_origin_module(module: bytes) -> bytes | None:
    """``module`` with each address of the backend computed from the page's own.

    Paths stay as they are. None when ``module`` does not look as expected::

        {EVENT:`ws://localhost:8000/_event`}
        {EVENT:(location.origin.replace("http","ws")+"/_event")}
    """
    event = _EVENT_ADDRESS.search(module)
    if event is None or b"JSON.parse" in module:
        return None
    # Only the host of EVENT is the backend: other addresses in here belong to plugins.
    host = event[1]
    address = re.compile(rb"""(["'`])(ws|http)s?://""" + re.escape(host) + rb"(/[^\"'`\\$\s]*)?\1")
    rewritten = address.sub(_computed_address, module)
    missed = re.search(rb"//" + re.escape(host) + rb"(?![\w.:-])", rewritten)
    return None if missed else rewritten


def _computed_address(address: re.Match[bytes]) -> bytes:
    origin = b"location.origin"
    if address[2] == b"ws":
        origin += b'.replace("http","ws")'
    return b'(%s+"%s")' % (origin, address[3] or b"")


def _representation(
    body: bytes | None,
    content_type: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    *,
    of: bytes,
    file: SourceFile | None = None,
) -> Representation:
    """Join headers and body; ``of`` is what the ETag is made of, ``file`` has what is not held."""
    etag = b'"%s"' % blake2b(of, digest_size=12).hexdigest().encode()
    size = file.size if body is None and file is not None else len(body or b"")
    return Representation(
        etag=etag,
        headers=(
            (b"content-type", content_type),
            (b"content-length", b"%d" % size),
            (b"etag", etag),
            *headers,
            _NOSNIFF,
        ),
        body=body,
        source=file,
    )


def _cache_control(key: str, base: str) -> bytes:
    """Directory and name decide together: either alone takes unhashed files for hashed ones."""
    in_assets = key.startswith(base + _ASSETS)
    return _IMMUTABLE if in_assets and _HASHED_NAME.search(key) else _REVALIDATE


def _base_of(files: Mapping[str, SourceFile]) -> str:
    """The directory of the outermost page: with a ``frontend_path`` all lies below it."""
    folders = {dirname(key) for key in files if key.endswith(tuple(f"/{n}" for n in _SHELLS))}
    return min(folders, key=lambda folder: (folder.count("/"), folder), default="").rstrip("/")


def _pages(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The prerendered pages by route, with and without a slash at the end.

    Reflex writes ``/about`` both as ``about.html`` and as ``about/index.html``.
    """
    pages: dict[str, Entry] = {}
    for key, entry in entries.items():
        folder, _, name = key.rpartition("/")
        if name == "index.html":
            route = folder
        elif name.endswith(".html") and name not in _SHELLS:
            route = key.removesuffix(".html")
        else:
            continue
        pages[route] = pages[route + "/"] = entry
    return pages


def _is_readable(file: SourceFile) -> bool:
    if os.access(file.path, os.R_OK):
        return True
    logger.warning("%s cannot be read and is not served; check its permissions.", file.path)
    return False


def _read(file: SourceFile) -> bytes:
    try:
        with open(file.path, "rb") as content:
            return content.read()
    except OSError:
        # Gone since it was listed. The next look at the disk sees that and reads all again.
        return b""

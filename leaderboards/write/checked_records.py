"""The records in which a former publish found no repeated key, remembered by the digest of their bytes: the
same bytes are not searched again."""

from collections.abc import Iterable
from pathlib import Path

from leaderboards.write.cache import Cache

RECORDS = "records"

DIGEST_BYTES = 32
"""Of a SHA-256."""


def checked_before(cache: Cache, results: Path) -> frozenset[str]:
    """The SHA-256 of each record, in hex, that was checked when a results folder was last published."""
    content = cache.read(RECORDS, results) or b""
    return frozenset(
        content[start : start + DIGEST_BYTES].hex() for start in range(0, len(content), DIGEST_BYTES)
    )


def keep_checked(cache: Cache, results: Path, digests: Iterable[str]) -> None:
    """Keep the digests of the records that this publish has read, and no others, for the next."""
    cache.write(RECORDS, results, b"".join(map(bytes.fromhex, sorted(digests))))

"""A folder of this machine copied to a bucket file by file: what changed is sent, what is gone is deleted there."""

from hashlib import sha256
from pathlib import Path

from tabtrail.storage.address import Address
from tabtrail.storage.bucket import Bucket
from tabtrail.storage.copies import visible_files
from tabtrail.system.files import read_json, write_json
from tabtrail.system.hashes import known_sha256


def mirror_folder(folder: Path, address: Address, records: Path) -> int:
    """Make the objects below an address those of a folder, hidden files aside, and return how many were sent.

    Each object is whole at any time. A record in the folder `records` has what was sent before: of objects that are not in it,
    none is deleted. Raises `ConfigError`, `StorageError`.
    """
    bucket, record = Bucket.of(address), records / f"mirror-{sha256(str(address).encode()).hexdigest()[:12]}.json"
    there = {each.name: each.etag for each in bucket.list(address.key)}
    before = read_json(record) or {}
    now, sent = dict[str, list[str]](), 0
    for name, path in visible_files(folder):
        target, digest = f"{address.key}/{name}", known_sha256(path)
        known = before.get(target)
        if target in there and known == [digest, there[target]]:
            now[target] = [digest, there[target]]
            continue
        now[target] = [digest, bucket.put(target, path)]
        sent += 1
    bucket.delete(name for name in before if name in there and name not in now)
    if now != before:
        write_json(record, now)
    return sent

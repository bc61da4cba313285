"""What happens to the files of a folder, as the kernel reports it (inotify, Linux): by whatever library, without a compiler."""

import ctypes
import os
import struct
from pathlib import Path

_CREATED, _IS_FOLDER, _NONBLOCK, _CLOEXEC = 0x100, 0x40000000, 0o4000, 0o2000000
# Modified, closed after writing, moved from and to, created, deleted.
_CHANGES = 0x2 | 0x8 | 0x40 | 0x80 | _CREATED | 0x200
_HEAD = struct.calcsize("iIII")


class FolderEvents:
    """Counts the changes in a folder and in all below it, those that are made meanwhile included."""

    def __init__(self, folder: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._libc.inotify_init1(_NONBLOCK | _CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._folders: dict[int, Path] = {}
        self._watch(folder)

    def read(self) -> list[str]:
        """Return the names of what changed since the last time."""
        try:
            data = os.read(self.descriptor, 1 << 16)
        except BlockingIOError:
            return []
        names, at = [], 0
        while at < len(data):
            watch, mask, _, size = struct.unpack_from("iIII", data, at)
            name = data[at + _HEAD : at + _HEAD + size].rstrip(b"\0").decode()
            at += _HEAD + size
            if mask & _CREATED and mask & _IS_FOLDER:
                self._watch(self._folders[watch] / name)
            names.append(name)
        return names

    def close(self) -> None:
        os.close(self.descriptor)

    def _watch(self, folder: Path) -> None:
        for each in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            number = self._libc.inotify_add_watch(self.descriptor, os.fsencode(each), _CHANGES)
            if number >= 0:  # not one that is gone again
                self._folders[number] = each

"""Room on the volumes that the hub writes to: orders are refused while there still is some.

A hub that takes orders until a write fails breaks off in the middle of whatever it writes next. So below the watermark
nothing new is begun, and what was accepted before has the rest to be finished in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

from smt_ws.orders.errors import DiskLowError
from smt_ws.settings import Settings

__all__ = ["Volume", "require_room", "volumes"]


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume, by the first folder of the hub's that lies on it, and its free bytes for this process."""

    folder: Path
    free: int


def volumes(settings: Settings) -> list[Volume]:
    """The volumes of this machine that the hub writes to, each once. A database server's disk is not among them."""
    found: dict[int, Volume] = {}
    for folder in _folders(settings):
        there = next((one for one in (folder, *folder.parents) if one.exists()), None)
        if there is not None:
            disk = os.statvfs(there)
            found.setdefault(there.stat().st_dev, Volume(folder, disk.f_bavail * disk.f_frsize))
    return list(found.values())


def require_room(settings: Settings) -> None:
    """Raise `DiskLowError` where a volume has less free space than ``health.disk_free_bytes``."""
    if any(volume.free < settings.health.disk_free_bytes for volume in volumes(settings)):
        raise DiskLowError


def _folders(settings: Settings) -> Iterator[Path]:
    yield settings.work_folder
    yield settings.ftps.root
    yield settings.intake.archive
    database = make_url(settings.database)
    if database.get_backend_name() == "sqlite" and database.database:
        yield Path(database.database).parent

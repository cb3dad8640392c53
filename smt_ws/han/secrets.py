"""Installation codes at rest: sealed under keys from a file, the newest of which seals (H1).

A sealed code holds the device's EUI-64 too, so that one that was copied to another device's row does not open there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import select, update

from smt_ws.han.errors import InstallCodeSealedError
from smt_ws.han.tables import han_device
from smt_ws.settings import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from smt_ws.settings import Settings
    from smt_ws.store.engine import Store

__all__ = ["InstallCodeKeys", "new_key", "rotate"]


def new_key() -> str:
    """A new key, for a line of the key file."""
    return Fernet.generate_key().decode()


class InstallCodeKeys:
    """The keys of one hub. The file is read when a key is first needed: most processes need none."""

    def __init__(self, file: Path) -> None:
        """Take the keys in *file*: one a line, newest first."""
        self._file = file
        self._keys: MultiFernet | None = None

    @classmethod
    def of(cls, settings: Settings) -> InstallCodeKeys:
        """The keys that *settings* name."""
        return cls(settings.han.install_code_keys)

    def seal(self, code: bytes, eui64: str) -> bytes:
        """*code* as it is stored for the device *eui64*. Raises `SettingsError` without a readable key file."""
        return self._opened().encrypt(bytes.fromhex(eui64) + code)

    def unseal(self, sealed: bytes, eui64: str) -> bytes:
        """The code again. Raises `InstallCodeSealedError` where no key opens it or it is another device's."""
        try:
            plain = self._opened().decrypt(sealed)
        except InvalidToken:
            raise InstallCodeSealedError from None
        if plain[:8] != bytes.fromhex(eui64):
            raise InstallCodeSealedError("A stored installation code is not of its device.")
        return plain[8:]

    def resealed(self, sealed: bytes) -> bytes:
        """The same under the newest key. Raises `InstallCodeSealedError`."""
        try:
            return self._opened().rotate(sealed)
        except InvalidToken:
            raise InstallCodeSealedError from None

    def _opened(self) -> MultiFernet:
        if self._keys is None:
            try:
                lines = self._file.read_text(encoding="ascii").split()
                self._keys = MultiFernet([Fernet(line) for line in lines])
            except (OSError, ValueError) as error:
                what = error.strerror if isinstance(error, OSError) else f"{self._file} holds no usable key"
                raise SettingsError(
                    f"han.install_code_keys: {what}. Make one with `smt-ws han new-key` and keep the file"
                ) from error
        return self._keys


def rotate(store: Store, keys: InstallCodeKeys, *, batch: int = 500) -> int:
    """Seal every stored code under the newest key, in bounded transactions; return how many.

    Put the new key in front of the others, restart the hub, rotate; then the old keys may go. Raises
    `InstallCodeSealedError` for a code that no key opens; those before it are done.
    """
    done = 0
    after: tuple[int, str] = (0, "")
    of = han_device.c
    while True:
        with store.write() as connection:
            rows = connection.execute(
                select(of.premise_id, of.eui64, of.install_code)
                .where(
                    of.install_code.is_not(None),
                    (of.premise_id > after[0]) | ((of.premise_id == after[0]) & (of.eui64 > after[1])),
                )
                .order_by(of.premise_id, of.eui64)
                .limit(batch)
                .with_for_update()
            ).all()
            for row in rows:
                connection.execute(
                    update(han_device)
                    .where(of.premise_id == row.premise_id, of.eui64 == row.eui64)
                    .values(install_code=keys.resealed(row.install_code))
                )
        done += len(rows)
        if len(rows) < batch:
            return done
        after = (rows[-1].premise_id, rows[-1].eui64)

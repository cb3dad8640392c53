"""The digits of a number of kWh, looked up: tables of four-byte texts, padded with NUL, for laying out many at once.

A value in Wh is written from its parts: ten-thousands of kWh, kWh, decimals. Integers only, so every digit is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

PLAIN: Final = np.array([str(number) for number in range(10_000)], "S4")
"""0, 7, 42, 9999."""
PADDED: Final = np.array([f"{number:04}" for number in range(10_000)], "S4")
"""0000, 0007: what follows ten-thousands."""
DECIMALS: Final = np.array([f".{wh:03}" for wh in range(1000)], "S4")
""".000, .290, .007: always three."""
TRIMMED: Final = np.array([f".{wh:03}".rstrip("0").rstrip(".") for wh in range(1000)], "S4")
"""Nothing, .29, .007: as many as are needed."""


def kwh_parts(
    wh: npt.NDArray[np.int32], missing: npt.NDArray[np.bool_] | None, decimals: npt.NDArray[np.bytes_]
) -> list[npt.NDArray[Any]]:
    """Return the texts of ten-thousands, kWh and decimals of values in Wh, each of four bytes; empty where missing.

    Ten-thousands are left out when no value has them. `decimals` is `DECIMALS` or `TRIMMED`.
    """
    kwh, rest = np.divmod(wh, 1000)
    parts = [PLAIN.take(kwh, mode="clip"), decimals.take(rest)]
    if kwh.max(initial=0) >= 10_000:
        upper, lower = np.divmod(kwh, 10_000)
        parts[0] = np.where(upper > 0, PADDED.take(lower), parts[0])
        parts.insert(0, np.where(upper > 0, PLAIN.take(upper), b""))
    if missing is not None and missing.any():
        parts = [np.where(missing, b"", part) for part in parts]
    return parts

"""The smart-meter data hub: between the utilities that read meters and the companies that may see the readings."""

from __future__ import annotations

__all__ = ["__version__"]
__version__ = "0.1.0"

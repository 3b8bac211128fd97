"""Where the macros are."""

from __future__ import annotations

from pathlib import Path

PACKAGE_PATH = str(Path(__file__).parent)
ADAPTER_PATH = str(Path(__file__).parent / "adapter")

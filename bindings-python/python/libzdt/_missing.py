"""What to say where the native part is not there, or is another machine's."""

from __future__ import annotations

import platform
import sys
import sysconfig
from pathlib import Path


def explain(error: ImportError) -> str:
    """Which file was looked for, why it does not do, and which wheel does."""
    here = Path(__file__).parent
    found = sorted(path.name for path in here.glob("_core*.so"))
    if found:
        what = f"{here / found[0]} cannot be loaded ({error})"
    else:
        what = f"{here / '_core.abi3.so'} is missing"
    return (
        f"libzdt's native part: {what}. Needed is the wheel libzdt-*-cp310-abi3-*.whl for "
        f"{sysconfig.get_platform()} and CPython 3.10 or newer (this is {platform.python_implementation()} "
        f"{sys.version.split()[0]}): pip install --force-reinstall --only-binary libzdt libzdt"
    )

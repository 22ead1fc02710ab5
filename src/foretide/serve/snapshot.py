"""This file knows how the live page is kept: one file, as it was last, that needs no server."""

from __future__ import annotations

from pathlib import Path
from string import Template

import msgspec

from foretide.errors import InputError
from foretide.serve.live import asset, plotly_script
from foretide.serve.shown import Shown


def write_snapshot(path: Path, shown: Shown) -> None:
    """Write the page with what it showed last; Plotly's script is inside it.

    Parameters
    ----------
    path : Path
        Where it goes; its folder must exist.
    shown : Shown
        What it shows.

    Raises
    ------
    InputError
        When it cannot be written.
    """
    # No "<" may end the script that holds it.
    state = msgspec.json.encode(shown).decode().replace("<", "\\u003c")
    page = Template(asset("live.html")).substitute(
        head=f"<style>{asset('live.css')}</style>",
        tail=f'<script type="application/json" id="kept">{state}</script>\n'
        f"<script>{plotly_script()}</script>\n<script>{asset('live.js')}</script>",
    )
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a folder that can be written") from None
    finally:
        part.unlink(missing_ok=True)

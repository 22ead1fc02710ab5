"""This file knows the reference page of the configuration, made from the settings themselves."""

from __future__ import annotations

from foretide.config.describe import SECTIONS, Setting, meaning_of, settings_of

OPENING = """\
# Configuration reference

Foretide reads `foretide.toml`; `foretide init` writes a commented one. Anything that is not on
this page is refused with its file, line and fix.
"""


def config_reference() -> str:
    """Return the page in Markdown: for every table, every setting with its bounds and meaning."""
    return "\n".join([OPENING, *(_section(header) for header in SECTIONS)])


def _section(header: str) -> str:
    section = SECTIONS[header]
    rows = [_row(setting) for setting in settings_of(section)]
    return "\n".join(
        [
            f"## `{header}`\n",
            f"{meaning_of(section)}\n",
            "| Setting | Allowed | Unit | Default | Meaning |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _row(setting: Setting) -> str:
    default = setting.default if setting.default in {"required", "none"} else f"`{setting.default}`"
    cells = (f"`{setting.key}`", setting.allowed, setting.unit, default, setting.meaning)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"

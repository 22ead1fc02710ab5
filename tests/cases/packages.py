"""How tests make a package of the program in `tests/cases/program`, with the options they want."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent / "program"
# the interpreter itself: a version manager's stand-in of it takes longer than the program
PYTHON = str(Path(sys.executable).resolve())


Option = str | float | bool | None


def command(
    folder: str = "{folder}", port: int | str = "{port}", /, **options: Option
) -> list[str]:
    """Return the words that start the program, `memory_mib=8` as `--memory-mib=8`.

    An option that is True stands alone, one that is False or None is left out.
    """
    words = [PYTHON, "-S", "-E", f"{folder}/serve.py", f"--port={port}"]
    for key, value in ({"name": "{instance}"} | options).items():
        flag = f"--{key.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif value is not None and value is not False:
            words.append(f"{flag}={value}")
    return words


def package(folder: Path, *, manifest: str = "", **options: Option) -> Path:
    """Write a package into `folder` and return it.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    manifest : str
        TOML that replaces all of the program's own tables (`[ready]` and so on); none: its own.
    options : Option
        Of serve.py.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROGRAM / "serve.py", folder)
    own = (PROGRAM / "package.toml").read_text(encoding="utf-8").partition("\n\n")[2]
    words = ", ".join(f'"{word}"' for word in command(**options))
    text = f"command = [{words}]\n\n{manifest or own}"
    (folder / "package.toml").write_text(text, encoding="utf-8")
    return folder

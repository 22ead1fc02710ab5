"""This file knows which countries and parts of them have holidays that are known."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from foretide.errors import InvalidValueError


def check_place(country: str, subdivision: str | None) -> None:
    """Refuse a country, or a part of one, whose holidays are not known.

    Parameters
    ----------
    country : str
        Code of two letters (ISO 3166-1).
    subdivision : str or None
        Code of a part of it (ISO 3166-2 without the country).

    Raises
    ------
    InvalidValueError
        The text begins with the field and names what is near.
    """
    # imported here: it costs as much as all the rest, and most configurations name no country
    from holidays.registry import COUNTRIES  # noqa: PLC0415
    from holidays.utils import list_supported_countries  # noqa: PLC0415

    parts = {code: known for code, known in list_supported_countries().items() if len(code) == 2}
    if country not in parts:
        names = {entry[1]: entry[0] for entry in COUNTRIES.values()}
        raise InvalidValueError(
            "country must be a code of two capital letters such as DE or US, "
            f'was "{country}"{_meant(_countries_like(country, names, parts))}'
        )
    known = parts[country]
    if subdivision is not None and subdivision not in known:
        if not known:
            raise InvalidValueError(
                f"subdivision must be absent: no part of {country} has holidays of its own, was "
                f'"{subdivision}"; delete it'
            )
        like = difflib.get_close_matches(subdivision.upper(), known, n=3, cutoff=0.5)
        raise InvalidValueError(
            f'subdivision must be a part of {country}, was "{subdivision}"'
            f"{_meant(like) if like else '; known: ' + ', '.join(known)}"
        )


def _countries_like(
    country: str, names: Mapping[str, str], parts: Mapping[str, Sequence[str]]
) -> list[str]:
    if country.upper() in parts:
        return [country.upper()]
    wanted = country.replace(" ", "").lower()
    codes = {name.lower(): code for code, name in names.items() if code in parts}
    codes |= {code.lower(): code for code in parts}
    near = difflib.get_close_matches(wanted, codes, n=3, cutoff=0.75)
    return list(dict.fromkeys(codes[one] for one in near))


def _meant(codes: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(codes)}?" if codes else "; write one such code"

"""This file knows how Prometheus answers a range query, and which bucket each sample speaks of.

A sample of `rate(x[step])` at the instant t describes the window that ended at t, so it belongs to
the bucket that began at t - step. Samples are asked for at whole multiples of the step since the
Unix epoch, so that the buckets are those of every other source. What a counter did when it was
reset is for `rate()` to know. Where a plain gauge has no sample Prometheus looks back 5 minutes
for one; `last_over_time(x[59s])` keeps a missing minute missing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Literal, Self

import httpx
import msgspec
import numpy as np

from foretide.errors import InputError, SourceError
from foretide.model.demand import AMOUNT_MAX, Demand, FloatArray
from foretide.model.instant import EPOCH, bucket_floor, require_utc

POINTS_MAX = 10_000  # a query; Prometheus refuses more than 11,000 for one series
SERIES_NAME_CHARS_MAX = 256
TIMEOUT_S = 60.0
_NOT_ALLOWED = (401, 403)
CONNECT_TIMEOUT_S = 5.0

Labels = tuple[tuple[str, str], ...]
Progress = Callable[[int, int], None]


class _Samples(msgspec.Struct, frozen=True):
    metric: dict[str, str]
    values: list[tuple[float, str]] = []


class _Data(msgspec.Struct, frozen=True):
    result_type: str = msgspec.field(name="resultType", default="")
    # Read as a matrix only once it is known to be one.
    result: msgspec.Raw = msgspec.Raw(b"[]")


class _Answer(msgspec.Struct, frozen=True):
    status: Literal["success", "error"]
    data: _Data = _Data()
    error: str = ""


class _Window(msgspec.Struct, frozen=True, kw_only=True):
    # First and last instant to ask for: the ends of the first and of the last whole bucket.
    first: datetime
    last: datetime
    step_s: int

    @property
    def step(self) -> timedelta:
        return timedelta(seconds=self.step_s)

    @property
    def count(self) -> int:
        return (self.last - self.first) // self.step + 1


def fetch_demand(
    url: str,
    query: str,
    *,
    start: datetime,
    end: datetime,
    step_s: int,
    now: datetime,
    unit: Literal["rate", "amount"] = "rate",
    headers: Mapping[str, str] | None = None,
    on_progress: Progress | None = None,
) -> list[Demand]:
    """Return the demand that a Prometheus expression describes, one for each of its series.

    Parameters
    ----------
    url : str
        Address of the server, such as "http://localhost:9090".
    query : str
        PromQL, such as `sum by (handler) (rate(http_requests_total[1m]))`; its window should be
        as long as the step.
    start, end : datetime
        Aware; fetched are the whole buckets between them that have ended by `now`.
    step_s : int
        Length of a bucket in seconds, 1 ... 86400.
    now : datetime
        The present, aware.
    unit : {"rate", "amount"}
        Whether the expression gives an amount per second (a bucket then holds value x `step_s`)
        or already the amount in a bucket.
    headers : mapping of str to str, optional
        Sent with every query, such as `Authorization`.
    on_progress : callable, optional
        Called with the number of queries answered and the number of all.

    Returns
    -------
    list of Demand
        In the order of their names, which are made of their labels; all from `start` to `end`,
        NaN where there is no sample or the sample is NaN.

    Raises
    ------
    InputError
        When a flag is wrong, the expression is refused, or nothing answers to it.
    SourceError
        When the server does not answer, or not as Prometheus does; retrying may help.
    """
    window = _window(start, end, step_s, now)
    parts = list(_parts(window))
    found: dict[Labels, FloatArray] = {}
    with _Server(url, headers or {}) as server:
        for done, part in enumerate(parts, start=1):
            for samples in server.query_range(query, part):
                labels = tuple(sorted(samples.metric.items()))
                values = found.setdefault(labels, np.full(window.count, np.nan))
                _fill(values, samples, query, window)
            if on_progress is not None:
                on_progress(done, len(parts))
    if not found:
        raise InputError(
            f"--query {query}: no series from {start.isoformat()} to {end.isoformat()}; "
            "check the metric, its labels and the time"
        )
    factor = float(step_s) if unit == "rate" else 1.0
    named = sorted((name, found[labels]) for labels, name in _names(list(found)).items())
    return [
        Demand(series_id=name, start=window.first - window.step, step_s=step_s, values=v * factor)
        for name, v in named
    ]


def _window(start: datetime, end: datetime, step_s: int, now: datetime) -> _Window:
    if not 1 <= step_s <= 86_400:
        raise InputError(f"--step must lie in [1, 86400] seconds, was {step_s}; give such a step")
    begin = require_utc("start", start)
    finish = min(require_utc("end", end), require_utc("now", now))
    step = timedelta(seconds=step_s)
    floor = bucket_floor(begin, step_s)
    first = floor + step if floor == begin else floor + 2 * step
    last = bucket_floor(finish, step_s)
    if first > last:
        raise InputError(
            f"--since {begin.isoformat()}: no bucket of {step_s} s begins after it and ends by "
            f"{finish.isoformat()}; give an earlier --since or a smaller --step"
        )
    return _Window(first=first, last=last, step_s=step_s)


def _parts(window: _Window) -> Iterator[_Window]:
    begin = window.first
    while begin <= window.last:
        finish = min(begin + window.step * (POINTS_MAX - 1), window.last)
        yield _Window(first=begin, last=finish, step_s=window.step_s)
        begin = finish + window.step


class _Server:
    # One Prometheus; every way in which it may fail to answer becomes one line.

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        # A password in the address must not end up on a screen.
        self._shown = re.sub(r"//[^/]*@", "//", url)
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise InputError(f"{self._shown}: {error}; give it as http://HOST:9090") from None
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise InputError(
                f"{self._shown}: is no address of a server; give it as http://HOST:9090"
            )
        self._endpoint = f"{url.rstrip('/')}/api/v1/query_range"
        self._client = httpx.Client(
            timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S), headers=dict(headers)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def query_range(self, query: str, window: _Window) -> list[_Samples]:
        form = {
            "query": query,
            "start": str(int(window.first.timestamp())),
            "end": str(int(window.last.timestamp())),
            "step": str(window.step_s),
        }
        try:
            # POST, because an expression may be longer than an address may be.
            response = self._client.post(self._endpoint, data=form)
        except httpx.TimeoutException:
            raise SourceError(
                f"{self._shown}: no answer in time; try again, or with a larger --step"
            ) from None
        except httpx.HTTPError as error:
            raise SourceError(
                f"{self._shown}: {_one_line(str(error))}; is Prometheus running there?"
            ) from None
        return self._matrix(response, query)

    def _matrix(self, response: httpx.Response, query: str) -> list[_Samples]:
        if response.status_code in _NOT_ALLOWED:
            raise InputError(
                f"{self._shown}: does not let us in (HTTP {response.status_code}); put who you are "
                "into the address, as in http://USER:PASSWORD@HOST:9090, or send a header"
            )
        try:
            answer = msgspec.json.decode(response.content, type=_Answer)
        except msgspec.DecodeError:
            kind = response.headers.get("content-type", "no content type")
            raise SourceError(
                f"{self._shown}: does not answer as Prometheus does (HTTP "
                f"{response.status_code}, {kind}); give its address as http://HOST:9090"
            ) from None
        if answer.status == "error":
            reason = _one_line(answer.error)
            if response.status_code >= 500:
                raise SourceError(f"{self._shown}: {reason}; try again later")
            raise InputError(f"--query {query}: {reason}; correct the expression")
        try:
            if answer.data.result_type == "matrix":
                return msgspec.json.decode(answer.data.result, type=list[_Samples])
        except msgspec.DecodeError:
            pass
        raise SourceError(
            f"{self._shown}: answered with no matrix of samples "
            f"({answer.data.result_type or 'no type'}); give the address of a Prometheus"
        )


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "no reason was given"


def _fill(values: FloatArray, samples: _Samples, query: str, window: _Window) -> None:
    if not samples.values:
        raise InputError(
            f"--query {query}: gives histograms, demand is a number; use histogram_count(...)"
        )
    at_s = np.array([at for at, _ in samples.values])
    read = np.array([value for _, value in samples.values], dtype=str).astype(np.float64)
    wrong = (read > AMOUNT_MAX) | (read < 0)
    if wrong.any():
        i = int(wrong.argmax())
        at = EPOCH + timedelta(seconds=float(at_s[i]))
        raise InputError(
            f"--query {query}: its value at {at.isoformat()} is {read[i]:g}, demand is finite "
            "and >= 0; take rate() of a counter, or append `>= 0`"
        )
    place = np.rint((at_s - window.first.timestamp()) / window.step_s).astype(np.int64)
    if place.min() < 0 or place.max() >= window.count:
        raise SourceError(
            f"--query {query}: the server gave samples outside the time asked for; "
            "give the address of a Prometheus"
        )
    values[place] = read


def _names(found: list[Labels]) -> dict[Labels, str]:
    # A name depends on its own labels only, so that it is the same in every import; only where
    # two come out alike do the names of their labels have to help.
    short = {labels: _short_name(labels) for labels in found}
    taken = Counter(short.values())
    names = {
        labels: name if taken[name] == 1 else _long_name(labels) for labels, name in short.items()
    }
    for name in names.values():
        if len(name) > SERIES_NAME_CHARS_MAX:
            raise InputError(
                f"--query: the labels of a series make a name of {len(name)} characters, more "
                f"than {SERIES_NAME_CHARS_MAX} ({name[:40]}...); aggregate by fewer labels, as in "
                "sum by (handler) (...)"
            )
    return names


def _short_name(labels: Labels) -> str:
    if not labels:
        return "total"
    return labels[0][1] if len(labels) == 1 else _long_name(labels)


def _long_name(labels: Labels) -> str:
    metric = dict(labels).get("__name__", "")
    told = ",".join(f"{key}={value}" for key, value in labels if key != "__name__")
    return f"{metric}{{{told}}}" if metric and told else metric or told

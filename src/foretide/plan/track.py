"""This file knows what came of what was said: intervals, stakes, surprises and a lasting bias.

Every minute says something of the minute one boot later. When that minute's demand has been seen,
it is compared: did it lie inside the interval, was what had been held ahead of need used, was what
had been withheld missed, was it above all that was thought likely. Sums fade within a week.
"""

from __future__ import annotations

import math

import msgspec

from foretide.plan.capacity import instances_for, served_rps
from foretide.plan.policy import MINUTE_S, ServicePolicy

_FADE_S = 7 * 86_400.0
# Stakes that weigh as much as the belief that none are lost: an hour of a doubled fleet.
_PRIOR_MINUTES = 60.0
# Events hours apart that prove a record of withholding wrong: a single spike must not.
_EVENTS = 4
_EVENT_APART_S = 6 * 3600.0
# A median that moves by steps: from 0 to the clamp in an hour and a half.
_BIAS_CLAMP = math.log(1.3)
_BIAS_STEP_PER_S = _BIAS_CLAMP / 5400
_SOIL_FRACTION = 0.02  # of one instance: keeps the logarithm of nothing finite


class Issued(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one minute said of the minute one boot later.

    Parameters
    ----------
    for_s : float
        Start of the minute it speaks of, seconds since 1970.
    low_rps, predicted_rps, upper_rps, surprise_rps : float
        Quantiles at .05, .5, .95 and .98.
    serving_count, total_count : int
        What the bands asked for.
    reactive_count : int
        What the HPA formula would have had by then.
    """

    for_s: float
    low_rps: float
    predicted_rps: float
    upper_rps: float
    surprise_rps: float
    serving_count: int
    total_count: int
    reactive_count: int


class Track(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What came of what was said, over the last days.

    Parameters
    ----------
    issued : tuple of Issued
        What has not come true yet, soonest first.
    heard_s : float
        End of the last bucket that was compared, seconds since 1970.
    compared_count, inside_count : float
        Buckets compared, and those inside the 90 % interval; both fading.
    independent_count : float
        Boots that the buckets compared hold, fading: neighbours err alike.
    ahead, wasted : float
        Minutes of a fleet held above the reactive one, and of these not needed; fading.
    withheld, missed : float
        Minutes of a fleet held below the reactive one, and of these needed; fading.
    missed_at_s : float
        When something withheld was last needed, seconds since 1970; 0 when never.
    missed_event_count : float
        Times that this happened, hours apart; fading.
    bias_log : float
        Running median of log(demand / its predicted median).
    biased_since_s : float
        Since when the bias has been beyond 30 %; 0 while it is not.
    surprised_since_s : float
        Since when every bucket has been above its 98 % quantile; 0 while it is not so.
    """

    issued: tuple[Issued, ...] = ()
    heard_s: float = 0.0
    compared_count: float = 0.0
    inside_count: float = 0.0
    independent_count: float = 0.0
    ahead: float = 0.0
    wasted: float = 0.0
    withheld: float = 0.0
    missed: float = 0.0
    missed_at_s: float = 0.0
    missed_event_count: float = 0.0
    bias_log: float = 0.0
    biased_since_s: float = 0.0
    surprised_since_s: float = 0.0

    @property
    def coverage_fraction(self) -> float:
        """Share of demand inside the 90 % interval; the nominal one before any was compared."""
        return self.inside_count / self.compared_count if self.compared_count else 0.9

    @property
    def wasted_fraction(self) -> float:
        """How much of what is held above the reactive plan proves not to be needed, in [0, 1]."""
        return self.wasted / (self.ahead + _PRIOR_MINUTES)

    @property
    def missed_fraction(self) -> float:
        """How much of what is withheld below the reactive plan proves to be needed, in [0, 1].

        Three events prove nothing, however large; four within the days remembered do.
        """
        proven = min(1.0, max(0.0, self.missed_event_count - _EVENTS + 1))
        return proven * self.missed / (self.withheld + _PRIOR_MINUTES)

    def due(self, bucket_start_s: float) -> Issued | None:
        """Return what was said of a bucket one boot before it; None when nothing was."""
        found = None
        for one in self.issued:
            if one.for_s > bucket_start_s:
                break
            found = one
        return found if found and bucket_start_s - found.for_s < MINUTE_S else None


def compared(
    track: Track,
    *,
    said: Issued | None,
    saying: Issued | None,
    rps: float,
    end_s: float,
    step_s: int,
    policy: ServicePolicy,
) -> Track:
    """Return the track after one more bucket has closed.

    Parameters
    ----------
    track : Track
    said : Issued, optional
        What had been said of it.
    saying : Issued, optional
        What this minute says of the one a boot later.
    rps : float
        What it was.
    end_s : float
        When it closed, seconds since 1970.
    step_s : int
        Length of the bucket.
    policy : ServicePolicy
        The service.
    """
    later = tuple([one for one in track.issued if one.for_s >= end_s])
    if saying is not None:
        later = (*later, saying)
    if said is None:
        return msgspec.structs.replace(track, issued=later, heard_s=end_s, surprised_since_s=0.0)
    kept = max(0.0, 1 - step_s / _FADE_S)
    reactive, needed = said.reactive_count, instances_for(policy.curve, rps)
    # in fleets of the reactive size, so that a night and a day of it count alike
    weight = step_s / MINUTE_S / max(reactive, 1)
    ahead, withheld = said.serving_count - reactive, reactive - said.total_count
    newly_missed = max(0, min(needed, reactive) - said.total_count)
    is_event = newly_missed > 0 and end_s - track.missed_at_s > _EVENT_APART_S
    bias = _bias_after(track.bias_log, said.predicted_rps, rps, step_s, policy)
    is_biased = abs(bias) >= _BIAS_CLAMP
    is_surprise = rps > said.surprise_rps
    return Track(
        issued=later,
        heard_s=end_s,
        compared_count=kept * track.compared_count + 1,
        inside_count=kept * track.inside_count + (said.low_rps <= rps <= said.upper_rps),
        independent_count=kept * track.independent_count + min(1.0, step_s / policy.boot_s),
        ahead=kept * track.ahead + weight * max(0, ahead),
        wasted=kept * track.wasted
        + weight * max(0, said.serving_count - max(needed, reactive)),
        withheld=kept * track.withheld + weight * max(0, withheld),
        missed=kept * track.missed + weight * newly_missed,
        missed_at_s=end_s if newly_missed else track.missed_at_s,
        missed_event_count=kept * track.missed_event_count + is_event,
        bias_log=bias,
        biased_since_s=(track.biased_since_s or end_s) if is_biased else 0.0,
        surprised_since_s=(track.surprised_since_s or end_s - step_s) if is_surprise else 0.0,
    )  # fmt: skip


def _bias_after(
    bias: float, predicted_rps: float, rps: float, step_s: int, policy: ServicePolicy
) -> float:
    soil = _SOIL_FRACTION * served_rps(policy.curve, 1)
    off = math.log((rps + soil) / (predicted_rps + soil)) - bias
    most = _BIAS_STEP_PER_S * step_s
    return max(-_BIAS_CLAMP, min(_BIAS_CLAMP, bias + max(-most, min(most, off))))


def with_issue(track: Track, said: Issued, *, step_s: int, policy: ServicePolicy) -> Track:
    """Return the track with what this minute says of the one a boot later.

    Parameters
    ----------
    track : Track
    said : Issued
    step_s : int
        Length of a bucket of demand.
    policy : ServicePolicy
        The service.
    """
    # while demand is silent nothing comes true: what is too old for any bucket is let go
    most = policy.boot_minutes + 2 * step_s // MINUTE_S + 2
    return msgspec.structs.replace(track, issued=(*track.issued[1 - most :], said))

"""Curves of quality over bits per pixel: a monotone fit, the rate that a quality takes, and BD-rate.

BD-rate is Bjontegaard's (ITU-T VCEG-M33, 2001) with piecewise cubic interpolation (PCHIP) of the logarithm of the rate over the
quality, as JCT-VC uses it. Measured curves need not rise everywhere; they are made to by isotonic regression.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from miqd_builder.auditing.resampling import Floats


@dataclass(frozen=True)
class RateCurve:
    """Logarithm of the rate over the quality, both strictly rising; at least two points.

    Attributes:
        quality: float64 ``(points,)``.
        log_rate: the same.
    """

    quality: Floats
    log_rate: Floats

    @classmethod
    def fit(cls, rate: Floats, quality: Floats) -> RateCurve | None:
        """Fit a curve to measured points; None where fewer than two different qualities are left.

        Args:
            rate: bits per pixel, more than 0, in any order; NaN is no point.
            quality: of the same points.

        >>> RateCurve.fit(np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.4, 0.9])).quality.tolist()
        [0.45, 0.9]
        """
        from scipy.optimize import isotonic_regression

        known = np.isfinite(rate) & np.isfinite(quality) & (rate > 0)
        if known.sum() < 2:
            return None
        order = np.lexsort((quality[known], rate[known]))
        log_rate = np.log(rate[known][order])
        fitted = isotonic_regression(quality[known][order]).x
        # Of equal qualities the cheapest: nobody pays for the others.
        first = np.concatenate([[True], fitted[1:] > fitted[:-1] + 1e-12])
        log_rate, fitted = log_rate[first], fitted[first]
        rising = np.concatenate([[True], log_rate[1:] > log_rate[:-1]])
        return cls(fitted[rising], log_rate[rising]) if rising.sum() > 1 else None

    def rate_at(self, quality: float) -> float:
        """Return the rate at a quality; NaN outside of the measured qualities.

        >>> round(RateCurve(np.array([0.5, 0.9]), np.log([1.0, 4.0])).rate_at(0.7), 9)
        2.0
        """
        if not self.quality[0] <= quality <= self.quality[-1]:
            return math.nan
        return float(np.exp(self._interpolated(quality)))

    def mean_log_rate(self, low: float, high: float) -> float:
        """Return the mean of the logarithm of the rate between two qualities inside the measured ones."""
        return float(self._interpolated.integrate(low, high)) / (high - low)

    @property
    def _interpolated(self):  # type: ignore[no-untyped-def]
        from scipy.interpolate import PchipInterpolator

        return PchipInterpolator(self.quality, self.log_rate)


def bd_rate(curve: RateCurve | None, anchor: RateCurve | None) -> float:
    """Return how many per cent more bits a curve takes than another one for the same quality; NaN without common qualities.

    >>> one = RateCurve(np.array([0.2, 0.5, 0.9]), np.log([1.0, 2.0, 4.0]))
    >>> round(bd_rate(RateCurve(one.quality, one.log_rate + np.log(1.1)), one), 9)
    10.0
    """
    if curve is None or anchor is None:
        return math.nan
    low, high = max(curve.quality[0], anchor.quality[0]), min(curve.quality[-1], anchor.quality[-1])
    if not high > low:
        return math.nan
    return 100 * (math.exp(curve.mean_log_rate(low, high) - anchor.mean_log_rate(low, high)) - 1)

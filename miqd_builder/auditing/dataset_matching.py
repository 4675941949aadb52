"""The inner loops of average precision of a data set and of detection errors, compiled by numba.

The matching is that of COCOeval; see :mod:`miqd_builder.labeling.matching` for that of single images.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from miqd_builder.labeling.matching import match, places_highest_first

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CLS, LOC, BOTH, DUPE, BACKGROUND, MISS = range(6)


@numba.njit(cache=True)
def match_classes(
    offsets: Ints,
    scores: Floats,
    found_classes: Ints,
    overlaps: Floats,
    wanted_classes: Ints,
    crowd: Bools,
    thresholds: Floats,
    max_detections: int,
) -> tuple[Bools, Bools, Bools]:  # pragma: no cover - compiled
    """Match the detections of each image and class, classes without objects included.

    Args:
        offsets: ``(images + 1,)``; image i has the detections ``offsets[i]:offsets[i + 1]``.
        scores: of each detection.
        found_classes: class of each detection.
        overlaps: IoU of each detection with each object.
        wanted_classes: class of each object.
        crowd: which objects are crowd regions.
        thresholds: of the IoU, rising.
        max_detections: detections taken of an image and class, highest scores first.

    Returns:
        by detection and threshold: whether it is matched, and whether it doesn't count (matched to a crowd region); by
        detection: whether it was taken at all.
    """
    n = len(scores)
    matched, ignored = np.zeros((n, len(thresholds)), np.bool_), np.zeros((n, len(thresholds)), np.bool_)
    taken = np.zeros(n, np.bool_)
    for i in range(len(offsets) - 1):
        for wanted in np.unique(found_classes[offsets[i] : offsets[i + 1]]):
            columns = np.flatnonzero(wanted_classes == wanted)
            columns = np.concatenate((columns[~crowd[columns]], columns[crowd[columns]]))
            rows = places_highest_first(offsets[i], offsets[i + 1], scores, found_classes, wanted)[:max_detections]
            own = np.empty((len(rows), len(columns)))
            for d in range(len(rows)):
                taken[rows[d]] = True
                for g in range(len(columns)):
                    own[d, g] = overlaps[rows[d], columns[g]]
            for t in range(len(thresholds)):
                hit, dropped = match(own, crowd[columns], thresholds[t])
                for d in range(len(rows)):
                    matched[rows[d], t] = hit[d]
                    ignored[rows[d], t] = dropped[d]
    return matched, ignored, taken


@numba.njit(cache=True)
def drawn_precisions(
    matched: Bools, ignored: Bools, source_of: Ints, positives: Ints, copies: NDArray[np.uint8], levels: Floats
) -> Floats:  # pragma: no cover - compiled
    """Return the average precision of one class in every draw of images, ``(draws,)``; NaN where it has no object.

    Args:
        matched: by detection, in falling score over all images, and threshold.
        ignored: the same: matched to a crowd region.
        source_of: source of each detection.
        positives: objects of the class by source.
        copies: copies of each source in each draw.
        levels: recalls at which precision is read.
    """
    found = np.full(len(copies), np.nan)
    precision, recall = np.empty(len(matched)), np.empty(len(matched))
    for r in range(len(copies)):
        wanted = 0
        for s in range(len(positives)):
            wanted += positives[s] * copies[r, s]
        if wanted == 0:
            continue
        total = 0.0
        for t in range(matched.shape[1]):
            _curve(matched[:, t], ignored[:, t], source_of, copies[r], wanted, precision, recall)
            total += _mean_precision(precision, recall, levels)
        found[r] = total / matched.shape[1]
    return found


@numba.njit(cache=True)
def _curve(
    matched: Bools,
    ignored: Bools,
    source_of: Ints,
    copies: NDArray[np.uint8],
    wanted: int,
    precision: Floats,
    recall: Floats,
) -> None:  # pragma: no cover - compiled
    """Fill in precision, made falling from the right, and recall after each detection."""
    hits, counted = 0, 0
    for d in range(len(matched)):
        # Copies of an image follow each other: only the end of the group matters for the precision from there on.
        if not ignored[d]:
            weight = copies[source_of[d]]
            counted += weight
            if matched[d]:
                hits += weight
        recall[d] = hits / wanted
        precision[d] = hits / counted if counted else 0.0
    for d in range(len(matched) - 1, 0, -1):
        precision[d - 1] = max(precision[d - 1], precision[d])


@numba.njit(cache=True)
def _mean_precision(precision: Floats, recall: Floats, levels: Floats) -> float:  # pragma: no cover - compiled
    """Mean over the recall levels of the best precision at that recall or above."""
    total, d = 0.0, 0
    for level in levels:
        while d < len(recall) and recall[d] < level:
            d += 1
        if d == len(recall):
            break
        total += precision[d]
    return total / len(levels)


@numba.njit(cache=True)
def error_counts(
    offsets: Ints,
    found_classes: Ints,
    overlaps: Floats,
    wanted_classes: Ints,
    crowd: Bools,
    foreground: float,
    background: float,
) -> Ints:  # pragma: no cover - compiled
    """Return the number of errors of each type in each image, int64 ``(images, 6)``.

    Args:
        offsets: ``(images + 1,)``; the detections of an image come by falling score.
        found_classes: class of each detection.
        overlaps: IoU of each detection with each object.
        wanted_classes: class of each object.
        crowd: which objects are crowd regions.
        foreground: IoU from which an object counts as found.
        background: IoU below which a detection lies on the background.
    """
    counts = np.zeros((len(offsets) - 1, 6), np.int64)
    for i in range(len(offsets) - 1):
        start, stop = offsets[i], offsets[i + 1]
        same = found_classes[start:stop].reshape(-1, 1) == wanted_classes.reshape(1, -1)
        right, used = _assign(overlaps[start:stop], same, crowd, foreground)
        _classify(overlaps[start:stop], same, crowd, right, used, foreground, background, counts[i])
    return counts


@numba.njit(cache=True)
def _assign(
    overlaps: Floats, same: Bools, crowd: Bools, foreground: float
) -> tuple[Bools, Bools]:  # pragma: no cover - compiled
    """Greedy matching in one image: which detections are right or lie in a crowd region, and which objects are found."""
    right, used = np.zeros(len(overlaps), np.bool_), np.zeros(len(crowd), np.bool_)
    for d in range(len(overlaps)):
        best, place = foreground, -1
        for g in range(len(crowd)):
            if same[d, g] and not used[g] and not crowd[g] and overlaps[d, g] >= best:
                best, place = overlaps[d, g], g
        if place >= 0:
            used[place] = True
            right[d] = True
        else:
            right[d] = (same[d] & crowd & (overlaps[d] >= foreground)).any()
    return right, used


@numba.njit(cache=True)
def _classify(
    overlaps: Floats,
    same: Bools,
    crowd: Bools,
    right: Bools,
    used: Bools,
    foreground: float,
    background: float,
    counts: Ints,
) -> None:  # pragma: no cover - compiled
    """Count the wrong detections of one image by type, and the objects that no detection accounts for."""
    covered = np.zeros(len(crowd), np.bool_)
    for d in np.flatnonzero(~right):
        own, other = _best(overlaps[d], same[d] & ~crowd), _best(overlaps[d], ~same[d] & ~crowd)
        own_overlap = overlaps[d, own] if own >= 0 else 0.0
        other_overlap = overlaps[d, other] if other >= 0 else 0.0
        if background <= own_overlap < foreground:
            counts[LOC] += 1
            covered[own] = True
        elif other_overlap >= foreground:
            counts[CLS] += 1
            covered[other] = True
        elif own_overlap >= foreground:
            counts[DUPE] += 1
        elif other_overlap >= background:
            counts[BOTH] += 1
        else:
            counts[BACKGROUND] += 1
    counts[MISS] += (~(crowd | used | covered)).sum()


@numba.njit(cache=True)
def _best(overlaps: Floats, among: Bools) -> int:  # pragma: no cover - compiled
    """Place of the largest overlap among some objects; -1 where none is above 0."""
    best, place = 0.0, -1
    for g in range(len(among)):
        if among[g] and overlaps[g] > best:
            best, place = overlaps[g], g
    return place

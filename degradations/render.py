"""Rendering degradations of one image: candidates, severities and region blends, each computed once and only if needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from degradations.definition import Coded, Distortion, check_result
from degradations.errors import DegradationError
from degradations.inputs import Image, Mask, check_image, check_mask
from degradations.names import Degradation, parse
from degradations.names import names as list_names
from degradations.plugins import distortion as find_distortion
from degradations.quality import Ranking, rank, unchecked_psnr
from degradations.randomness import keyed_generator
from degradations.regions import Blends, SoftRegion


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A degraded image.

    Attributes:
        degradation: what was done.
        pixels: uint8 ``(height, width, 3)`` RGB, the caller's own.
        psnr: against the source image in dB, infinite if identical.
        candidate_roi: 1-based index of the candidate parameter set used in the ROI (everywhere if uniform).
        candidate_bg: the same for the background.
        candidate_psnrs: PSNR of every candidate of the distortion; given back as ``psnrs`` to :func:`render` it saves rendering
            them again. Empty for a distortion whose severities are fixed.
        bytes: that a codec took; None for what is no codec.
    """

    degradation: Degradation
    pixels: Image
    psnr: float
    candidate_roi: int
    candidate_bg: int
    candidate_psnrs: tuple[float, ...]
    bytes: int | None = None


def render(
    image: Image,
    mask: Mask | None = None,
    *,
    source_id: str,
    seed: int = 0,
    names: Iterable[str] | None = None,
    psnrs: Mapping[str, Sequence[float]] | None = None,
) -> Iterator[Variant]:
    """Render degradations of one image, in the order of ``names``; the pixels of a name don't depend on the other names.

    Memory is bounded by one distortion: its candidates and the variant that is yielded.

    Args:
        image: uint8 ``(height, width, 3)`` RGB, at least 1x1, never modified.
        mask: uint8 ``(height, width)``, 255 in the ROI and 0 elsewhere; None if no region blend is asked for.
        source_id: name of the image; random draws depend on it.
        seed: of the run.
        names: names of degradations; the 250 by default.
        psnrs: 12 PSNRs by distortion, from :attr:`Variant.candidate_psnrs` or :func:`rank_candidates` of this image: for
            these distortions only the candidates that are needed are rendered.

    Raises:
        UnknownDegradationError: a name is not known.
        DegradationError: the image, the mask or the PSNRs are not as described.
    """
    check_image(image)
    degradations = [parse(name) for name in (list_names() if names is None else names)]
    regional = next((d.name for d in degradations if d.region != "uniform"), None)
    if mask is not None:
        check_mask(mask, image.shape[:2])
    elif regional is not None:
        raise DegradationError(f"{regional} needs a mask of the ROI, got None; give one, or ask for uniform degradations only")
    rankings = {name: _ranking(find_distortion(name), values) for name, values in (psnrs or {}).items()}
    return _render(image, mask if regional else None, source_id, seed, degradations, rankings)


def rank_candidates(image: Image, *, source_id: str, seed: int = 0, distortion: str) -> Ranking:
    """Render all candidates of a distortion and decide which are its five severities on this image.

    Args:
        image: uint8 ``(height, width, 3)`` RGB.
        source_id: name of the image; random draws depend on it.
        seed: of the run.
        distortion: name of the distortion.

    Raises:
        UnknownDegradationError: the distortion is not registered.
        DegradationError: ``image`` is no image.
    """
    return _Candidates(find_distortion(distortion), check_image(image), source_id, seed).rank()


class _Candidates:
    """The candidates of one distortion on one image, each rendered when it is first asked for."""

    def __init__(self, distortion: Distortion, image: Image, source_id: str, seed: int) -> None:
        self.distortion = distortion
        self._image = image
        self._key = (seed, source_id)
        self._pixels: dict[int, Image] = {}
        self._bytes: dict[int, int] = {}

    @cached_property
    def _prepared(self) -> object:
        # Plug-ins get a view that refuses writing, so that no distortion can change the source under the others.
        image = self._image.view()
        image.flags.writeable = False
        return image if self.distortion.prepare is None else self.distortion.prepare(image)

    def pixels_of(self, candidate: int) -> Image:
        if candidate not in self._pixels:
            rng = keyed_generator(*self._key, self.distortion.name, candidate)
            result = self.distortion.render(self._prepared, candidate, rng)
            if isinstance(result, Coded):
                self._bytes[candidate] = result.bytes
                result = result.pixels
            self._pixels[candidate] = check_result(self.distortion, result, self._image.shape)
        return self._pixels[candidate]

    def bytes_of(self, candidate: int) -> int | None:
        return self._bytes.get(candidate)

    def psnr_of(self, pixels: Image) -> float:
        return unchecked_psnr(pixels, self._image)

    def rank(self) -> Ranking:
        count = len(self.distortion.candidates) if self.distortion.ranked else 0
        return _ranking(self.distortion, [self.psnr_of(self.pixels_of(candidate)) for candidate in range(1, count + 1)])

    def keep(self, wanted: set[int]) -> None:
        """Forget the pixels of all other candidates."""
        self._pixels = {candidate: pixels for candidate, pixels in self._pixels.items() if candidate in wanted}


def _ranking(distortion: Distortion, psnrs: Sequence[float]) -> Ranking:
    if distortion.ranked:
        return rank(distortion.name, psnrs)
    if len(psnrs):
        raise DegradationError(f"PSNRs of {distortion.name}: expected none, its severities are fixed; got {list(psnrs)}")
    return Ranking(distortion.name, (), distortion.severities)


def _render(
    image: Image, mask: Mask | None, source_id: str, seed: int, degradations: list[Degradation], rankings: dict[str, Ranking]
) -> Iterator[Variant]:
    region = None if mask is None else SoftRegion(mask)
    for name, group in groupby(degradations, key=lambda degradation: degradation.distortion):
        candidates = _Candidates(find_distortion(name), image, source_id, seed)
        if name not in rankings:
            rankings[name] = candidates.rank()
        yield from _render_distortion(candidates, rankings[name], region, list(group))


def _render_distortion(
    candidates: _Candidates, ranking: Ranking, region: SoftRegion | None, degradations: list[Degradation]
) -> Iterator[Variant]:
    of_severity = dict(zip(candidates.distortion.severities, ranking.selected, strict=True))
    candidates.keep({of_severity[s] for d in degradations for s in (d.roi_severity, d.bg_severity)})
    blends = None if region is None else Blends(region, candidates.pixels_of)
    for degradation in degradations:
        roi, background = of_severity[degradation.roi_severity], of_severity[degradation.bg_severity]
        if blends and degradation.region != "uniform":
            pixels = blends.blend(roi, background)
        else:
            pixels = candidates.pixels_of(roi).copy()
        size = candidates.bytes_of(roi)
        yield Variant(degradation, pixels, candidates.psnr_of(pixels), roi, background, ranking.psnrs, size)

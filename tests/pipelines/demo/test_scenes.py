"""Demo scenes: the same everywhere, and a ground truth that agrees with itself."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.demo.scenes import HEIGHT, MIN_VISIBLE, WIDTH, render
from pipelines.demo.shapes import CLASS_NAMES, draw

SUN = np.array([0.3, -0.5, 0.81], np.float32)


@pytest.fixture(scope="module")
def scenes():
    return [render("train", index) for index in range(48)]


def test_a_scene_depends_on_its_index_alone():
    later = render("train", 7)
    render("train", 3)
    again = render("train", 7)
    assert np.array_equal(later.image, again.image)
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(later.instances, again.instances, strict=True))


def test_splits_and_indices_differ():
    images = [render(split, index).image for split in ("train", "val", "held_out") for index in (0, 8)]
    assert len({image.tobytes() for image in images}) == len(images)


def test_images_are_textured_and_use_the_grey_scale(scenes):
    for scene in scenes:
        assert scene.image.shape == (HEIGHT, WIDTH, 3)
        assert scene.image.dtype == np.uint8
        assert scene.image.std() > 15
        assert np.mean((scene.image == 0) | (scene.image == 255)) < 0.2


def test_label_is_the_class_of_the_largest_object(scenes):
    assert {scene.label for scene in scenes} == set(range(len(CLASS_NAMES)))
    for index, scene in enumerate(scenes):
        spans = [max(instance.box[2:]) for instance in scene.instances]
        assert scene.label == scene.instances[0].label == index % len(CLASS_NAMES)
        assert spans[0] == max(spans)


def test_every_class_occurs_as_a_smaller_object_too(scenes):
    assert {instance.label for scene in scenes for instance in scene.instances[1:]} == set(range(len(CLASS_NAMES)))


def test_masks_show_each_pixel_once_and_boxes_fit_them(scenes):
    for scene in scenes:
        masks = np.stack([instance.mask for instance in scene.instances])
        assert masks.sum(axis=0).max() == 1
        for instance in scene.instances:
            x, y, width, height = instance.box
            inside = instance.mask[y : y + height, x : x + width]
            assert inside.sum() == instance.mask.sum() > 100
            assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()


def test_occlusion_occurs_and_stays_within_its_limit(scenes):
    """A second object whose box meets the first one's is partly hidden in some scenes, never nearly all of it."""
    smaller = [instance for scene in scenes for instance in scene.instances[1:]]
    meets = [_boxes_meet(scene.instances[0].box, other.box) for scene in scenes for other in scene.instances[1:]]
    assert 0.05 < np.mean(meets) < 0.9
    least = min(shape_area(label) for label in range(len(CLASS_NAMES)))
    assert all(instance.mask.sum() >= MIN_VISIBLE * least * 0.9 for instance in smaller)


def shape_area(label: int) -> int:
    """Area in pixels of the smallest object of a class."""
    return int((draw(CLASS_NAMES[label], 24, 0, SUN).alpha > 0.5).sum())


def _boxes_meet(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_shapes_fill_their_disc_and_are_lit(name):
    patch = draw(name, 40, 25, SUN)
    rows = np.flatnonzero((patch.alpha > 0.5).any(axis=1))
    inside = patch.light[patch.alpha == 1]
    assert 60 < np.ptp(rows) <= 81
    assert patch.alpha.min() >= 0 and patch.alpha.max() == 1
    assert inside.min() > 0.2 and inside.std() > 0.03


def test_shapes_differ_by_more_than_a_rotation():
    """The best overlap (IoU) of two classes' outlines over 36 rotations stays clearly below 1."""
    outlines = {name: [draw(name, 32, angle, SUN).alpha > 0.5 for angle in range(0, 360, 10)] for name in CLASS_NAMES}
    for position, first in enumerate(CLASS_NAMES):
        for second in CLASS_NAMES[position + 1 :]:
            base = outlines[first][0]
            best = max((base & other).sum() / (base | other).sum() for other in outlines[second])
            assert best < 0.93, (first, second, best)

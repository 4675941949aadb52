"""Videos: sampled frames, statistics, drops, and files that are not what they should be."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from machine_iqa import MIQAModel, VideoMIQA
from machine_iqa.annotate import annotate_video, draw_curve
from machine_iqa.curves import by_second, drops
from machine_iqa.errors import UnreadableVideoError
from machine_iqa.frames import VideoFile
from miqd_builder.errors import ConfigError
from tests.machine_iqa.films import film


def test_a_video(tmp_path: Path, model: MIQAModel) -> None:
    counted: list[int] = []
    found = VideoMIQA(model, frames=8).assess_video(film(tmp_path / "a.mp4"), on_frames=counted.append)
    assert [frame["index"] for frame in found["frames"]] == [0, 6, 11, 17, 22, 28, 33, 39]
    np.testing.assert_allclose([frame["time"] for frame in found["frames"]], [0, 0.6, 1.1, 1.7, 2.2, 2.8, 3.3, 3.9], atol=1e-6)
    assert sum(counted) == 8 and (found["fps"], found["size"], found["frame_count"], found["damaged"]) == (10, [96, 64], 40, 0)
    scores = [frame["score"] for frame in found["frames"]]
    assert found["mean_score"] == pytest.approx(np.mean(scores)) and found["std"] == pytest.approx(np.std(scores))
    assert (found["min"], found["max"]) == (min(scores), max(scores))
    assert [(row["second"], row["n"]) for row in found["seconds"]] == [(0, 2), (1, 2), (2, 2), (3, 2)]
    [third] = [frame for frame in VideoFile(tmp_path / "a.mp4").frames() if frame.index == 11]
    assert model.assess(third.image, channels="RGB") == pytest.approx(scores[2], abs=1e-5)
    json.dumps(found)


def test_all_frames(tmp_path: Path, model: MIQAModel) -> None:
    file = film(tmp_path / "a.mp4", frames=5)
    assert len(VideoMIQA(model, frames=None).assess_video(file)["frames"]) == 5
    assert len(VideoMIQA(model, frames=120).assess_video(file)["frames"]) == 5
    assert len(VideoMIQA(model, frames=1).assess_video(file)["frames"]) == 1
    with pytest.raises(ConfigError, match="1 or more"):
        VideoMIQA(model, frames=0)


def test_drops() -> None:
    times = [float(i) for i in range(12)]
    scores = [0.9, 0.9, 0.2, 0.9, 0.9, 0.7, 0.5, 0.5, 0.8, 0.8, 0.3, 0.3]  # the third stands alone
    assert drops(times, scores) == [
        {"start": 4.0, "end": 6.0, "from": 0.9, "to": 0.5},
        {"start": 9.0, "end": 10.0, "from": 0.8, "to": 0.3},
    ]
    assert drops(times, scores, least=0.45) == [{"start": 4.0, "end": 10.0, "from": 0.9, "to": 0.3}]
    assert drops(times, sorted(scores)) == [] == drops([], [])
    slow = list(np.linspace(0.9, 0.1, 12))
    assert drops(times, slow) == [{"start": 0.0, "end": 11.0, "from": pytest.approx(0.9), "to": pytest.approx(0.1)}]


def test_seconds() -> None:
    [first, second] = by_second([0.0, 0.9, 2.5], [0.2, 0.4, 1.0])
    assert first == {"second": 0, "mean": pytest.approx(0.3), "min": 0.2, "max": 0.4, "std": pytest.approx(0.1), "n": 2}
    assert (second["second"], second["n"], second["std"]) == (2, 1, 0)


def test_a_video_of_unknown_length(tmp_path: Path) -> None:
    stream = film(tmp_path / "a.h264")  # frames without any header of a file
    with av.open(str(stream)) as raw:
        assert raw.streams.video[0].frames == 0 and raw.duration is None
    video = VideoFile(stream)
    frames = list(video.frames(4))
    assert video.frame_count == 40 and [frame.index for frame in frames] == [0, 13, 26, 39]
    assert all(a.time < b.time for a, b in pairwise(frames))


def test_a_truncated_video_is_assessed_as_far_as_it_goes(tmp_path: Path, model: MIQAModel) -> None:
    whole = film(tmp_path / "a.mkv", frames=60).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    found = VideoMIQA(model, frames=10).assess_video(tmp_path / "cut.mkv")
    assert 5 < found["frame_count"] < 60 and 8 <= len(found["frames"]) <= 10
    holes = bytearray(whole)
    holes[len(whole) // 2 : len(whole) // 2 + 400] = bytes(400)
    (tmp_path / "holes.mkv").write_bytes(holes)
    assert VideoMIQA(model, frames=10).assess_video(tmp_path / "holes.mkv")["frames"]


def test_what_is_no_video(tmp_path: Path, model: MIQAModel) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    whole = film(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])  # its table of frames is at the end
    (tmp_path / "codec.mp4").write_bytes(whole.replace(b"avc1", b"zzzz"))
    film(tmp_path / "none.avi", frames=0)
    film(tmp_path / "trackless.mp4", frames=0)  # FFmpeg drops a track without frames
    messages = {
        "text.mp4": "can't be opened",
        "empty.mp4": "can't be opened",
        "cut.mp4": "can't be opened",
        "codec.mp4": "a codec that FFmpeg doesn't know",
        "none.avi": "holds no frames",
        "trackless.mp4": "no video stream",
        "missing.mp4": "is not there",
    }
    for name, message in messages.items():
        with pytest.raises(UnreadableVideoError, match=message) as refused:
            VideoMIQA(model).assess_video(tmp_path / name)
        assert "\n" not in str(refused.value)


def test_the_curve_and_the_annotated_video(tmp_path: Path, model: MIQAModel) -> None:
    file = film(tmp_path / "a.mp4", size=(66, 98))
    found = VideoMIQA(model, frames=8).assess_video(file)
    draw_curve(found, tmp_path / "curve.png")
    assert Image.open(tmp_path / "curve.png").size[0] > 500
    counted: list[int] = []
    annotate_video(file, found, tmp_path / "out.mp4", on_frame=counted.append)
    assert sum(counted) == 40 and sorted(entry.name for entry in tmp_path.iterdir()) == ["a.mp4", "curve.png", "out.mp4"]
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and float(stream.average_rate) == pytest.approx(10)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == 40 and frames[0].shape == (66 + 48, 98, 3)
    lit = [int((frame[66:].max(2) > 120).sum()) for frame in (frames[2], frames[20], frames[39])]
    assert lit[0] < lit[1] < lit[2]  # the curve grows

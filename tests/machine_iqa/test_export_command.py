"""``miqd train export``."""

from __future__ import annotations

from pathlib import Path


def test_the_command_writes_the_model(miqd, model_file: Path, tmp_path: Path) -> None:
    import onnxruntime

    done = miqd("train", "export", "--model", model_file, "--to", tmp_path / "model.onnx")
    assert done.code == 0, done.err
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert [one.name for one in session.get_outputs()] == ["scores"]
    refused = miqd("train", "export", "--model", model_file, "--to", tmp_path / "model.tflite")
    assert refused.code == 1 and "expected a name that ends with .onnx or .pt2" in refused.err
    assert refused.err.count("\n") == 1

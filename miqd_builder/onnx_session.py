"""ONNX files in ONNX Runtime: the one place that opens a session, so that every network runs under the same settings."""

from __future__ import annotations

from typing import Any

from miqd_builder.errors import ConfigError


def open_session(content: bytes, *, who: str, threads: int = 1, device: str = "cpu") -> Any:
    """Open an ONNX file's content as an ``onnxruntime.InferenceSession``.

    One thread unless told otherwise: there are as many workers as cores, and sums are always the same.

    Args:
        content: of the file (:func:`miqd_builder.onnx_file.read_onnx`), or of an exported graph.
        who: needs it, for the error: ``Model 'x'``.
        threads: within an operator.
        device: ``cpu``, or ``cuda[:N]``, which the CPU stands in for where ONNX Runtime was built without CUDA.

    Raises:
        ConfigError: onnxruntime is not installed.
        Exception: whatever onnxruntime raises for a file that it can't run; its errors have no base of their own.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError(f"{who} needs the package onnxruntime. Run: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    providers: list[Any] = ["CPUExecutionProvider"]
    kind, _, index = device.partition(":")
    if kind == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        # TF32 rounds to 10 bits: predictions would differ from the CPU's.
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(index or 0), "use_tf32": 0}))
    return onnxruntime.InferenceSession(content, options, providers=providers)


def in_one_line(error: Exception) -> str:
    """Return what onnxruntime says, without its line breaks and its length."""
    return " ".join(str(error).split())[:300].rstrip(".")

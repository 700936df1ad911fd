"""From a trained network to files that others run."""

from azora.export.bundle import Bundle, read_bundle, write_bundle
from azora.export.latency import median_ms
from azora.export.onnx import OnnxSession, export_onnx

__all__ = ["Bundle", "OnnxSession", "export_onnx", "median_ms", "read_bundle", "write_bundle"]

"""What the report says of the device."""

from __future__ import annotations

from azora.report.target import target_lines

TARGET = {
    "spec": "onnxruntime:threads=1,precision=fp32",
    "versions": {"onnxruntime": "1.20"},
    "device": {"processor": "a processor"},
    "measured_networks": 60,
    "predicted_latency_ms": 1.25,
    "predicted_bytes": 90_000,
}


def test_without_a_target_it_says_nothing() -> None:
    assert target_lines({"limits": {"macs": 5e6}}) == []


def test_limits_and_what_was_measured_stand_beside_the_prediction() -> None:
    target = {**TARGET, "latency_ms": 1.5, "spread": 0.02, "bytes": 91_234}
    lines = dict(target_lines({"limits": {"latency": 2.0, "memory": 4e6}, "target": target}))
    assert lines["limit of latency"] == "2 ms"
    assert lines["limit of memory"] == "4,000,000"
    assert lines["measured"] == "1.5 ms (quartiles 2.0% apart)"
    assert lines["predicted"] == "1.25 ms"
    assert lines["file"] == "91,234 bytes"
    assert lines["predictor learned from"] == "60 measured networks"


def test_on_another_device_nothing_was_measured() -> None:
    lines = dict(target_lines({"target": TARGET}))
    assert "measured" not in lines
    assert lines["predicted"] == "1.25 ms"

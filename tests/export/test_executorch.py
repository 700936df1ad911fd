"""ExecuTorch's files, where it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
from pathlib import Path
from azora.errors import BundleError
from azora.export.executorch import ExecutorchSession
try:
    ExecutorchSession(Path(sys.argv[1]))
except BundleError as error:
    print(error)
"""


def test_its_own_warnings_are_not_passed_on(tmp_path: Path) -> None:
    pytest.importorskip("executorch")
    (tmp_path / "broken.pte").write_bytes(b"no program")
    words = [sys.executable, "-W", "error", "-c", CODE, str(tmp_path / "broken.pte")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "broken.pte cannot be read by ExecuTorch" in done.stdout

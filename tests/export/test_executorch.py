"""ExecuTorch's files, where it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from azora.export.executorch import ExecutorchSession, write_executorch
from azora.tasks import Scaling, Signature

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
    assert "threadpool" not in done.stderr and "cpuinfo" not in done.stderr


@pytest.mark.filterwarnings("ignore")  # the test asks its interface, too
def test_it_answers_on_one_thread(tmp_path: Path) -> None:
    pytest.importorskip("executorch")
    from executorch.extension.pybindings.portable_lib import _threadpool_get_thread_count

    signature = Signature("regression", (3,), 2)
    scaling = Scaling((0.0,) * 3, (1.0,) * 3, (0.0,) * 2, (1.0,) * 2)
    write_executorch(nn.Linear(3, 2), signature, scaling, tmp_path / "m.pte")
    assert ExecutorchSession(tmp_path / "m.pte").run(np.ones((2, 3), np.float32)).shape == (2, 2)
    assert _threadpool_get_thread_count() == 1

"""ExecuTorch's files, where it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from azora.export.deployed import Deployed
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

ALONE = """
import sys
import numpy as np, torch
from executorch.runtime import Runtime
method = Runtime.get().load_program(sys.argv[1]).load_method("forward")
(answer,) = method.execute([torch.from_numpy(np.load(sys.argv[2]))])
np.save(sys.argv[3], np.asarray(answer))
print([name for name in sys.modules if name.split(".")[0] == "azora"])
"""


@pytest.mark.parametrize("eight_bits", [False, True], ids=["fp32", "int8"])
def test_a_file_answers_where_azora_is_not(eight_bits: bool, tmp_path: Path) -> None:
    pytest.importorskip("executorch")
    torch.manual_seed(0)
    signature = Signature("classification", (1, 8, 8), 3, ("a", "b", "c"))
    scaling = Scaling((100.0,), (50.0,), (), ())
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    rows = np.random.default_rng(0).uniform(0, 255, (32, 1, 8, 8)).astype(np.float32)
    write_executorch(network, signature, scaling, tmp_path / "m.pte", rows if eight_bits else None)
    np.save(tmp_path / "x.npy", rows[:1])
    words = [sys.executable, "-c", ALONE, *(str(tmp_path / name) for name in ("m.pte", "x.npy", "answer.npy"))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"
    expected = Deployed(network, signature, scaling).eval()(torch.from_numpy(rows[:1])).detach().numpy()
    np.testing.assert_allclose(np.load(tmp_path / "answer.npy"), expected, atol=0.1 if eight_bits else 1e-4)


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

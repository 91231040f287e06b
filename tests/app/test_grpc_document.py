"""What docs/grpc.md shows works as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process import ServerProcess

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/grpc.md").read_text(encoding="utf-8")
BLOCKS = re.compile(r"```(sh|python|yaml)\n(.*?)```", re.DOTALL)


@pytest.mark.requirement("ING-02")
def test_the_documented_client_sends_its_event(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed")
    shown: dict[str, str] = dict(reversed(BLOCKS.findall(PAGE)))  # the first of each kind
    command = shown["sh"].split()
    assert command[:3] == ["python", "-m", "grpc_tools.protoc"]
    (tmp_path / "proto").symlink_to(ROOT / "proto")
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, check=True, timeout=60)
    assert len(shown["python"].splitlines()) <= 11
    with ServerProcess(tmp_path / "server", shown["yaml"]) as server:
        program = shown["python"].replace("127.0.0.1:9090", server.grpc)
        env = {"KEY": server.key, "PATH": os.environ["PATH"]}
        ran = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert re.fullmatch(r"accepted INC-\d{8}-\d{5}\n", ran.stdout)
        assert server.stop() == 0

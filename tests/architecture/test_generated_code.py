"""What is generated is what its source says."""

from pathlib import Path

import pytest

from scripts import generate_grpc


def test_generating_from_the_proto_file_gives_what_is_committed(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed")
    generate_grpc.generate(tmp_path)
    made = {each.name: each.read_text(encoding="utf-8") for each in tmp_path.iterdir()}
    kept = {each.name: each.read_text(encoding="utf-8") for each in generate_grpc.FOLDER.glob("incident_pb2*")}
    assert set(made) == set(kept) == {"incident_pb2.py", "incident_pb2.pyi", "incident_pb2_grpc.py"}
    assert made == kept

"""``python -m scripts.generate_grpc [FOLDER]``: Python from the proto file, into the package or into a folder."""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "llm_incident_manager.api.grpc.generated"
FOLDER = ROOT / "src" / Path(*PACKAGE.split("."))
PROTO = "llm/incident/v1/incident.proto"


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    generate(folder)
    return 0


def generate(folder: Path) -> None:
    """Write the modules into ``folder``, importing each other from where they stand in the package."""
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as made:
        arguments = [f"--proto_path={ROOT / 'proto'}", f"--python_out={made}", f"--pyi_out={made}"]
        if protoc.main(["protoc", *arguments, f"--grpc_python_out={made}", PROTO]):
            raise SystemExit(f"protoc refused proto/{PROTO}")
        flat = f"from {PROTO.rpartition('/')[0].replace('/', '.')} import "
        for module in sorted(Path(made, PROTO).parent.iterdir()):
            text = module.read_text(encoding="utf-8").replace(f"\n{flat}", f"\nfrom {PACKAGE} import ")
            (folder / module.name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

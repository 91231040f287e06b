"""The key that signs audit checkpoints: made at first start, kept beside the data."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from llm_incident_manager.app.secrets_on_disk import keep
from llm_incident_manager.errors import Invalid


def audit_key(path: Path) -> Ed25519PrivateKey:
    """Return the key in ``path`` (64 hexadecimal digits), made now if there is none; Invalid for a spoilt file."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        made = Ed25519PrivateKey.generate()
        keep(path, made.private_bytes_raw().hex() + "\n")
        return made
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))
    except ValueError:
        raise Invalid(f"{path} is no audit key: 64 hexadecimal digits are; restore it from a backup") from None

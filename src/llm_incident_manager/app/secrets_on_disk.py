"""Small secrets made at first start and kept beside the data, readable by this user only."""

import os
import secrets
from pathlib import Path


def keep(path: Path, content: str) -> None:
    """Write ``content`` durably with mode 0600; an existing file is replaced at once, never half."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, content.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, path)


def kept_or_new(path: Path) -> str:
    """Return the secret in ``path``; where there is none, make one of 32 random bytes and keep it."""
    try:
        found = path.read_text().strip()
    except FileNotFoundError:
        found = ""
    if len(found) >= 32:
        return found
    made = secrets.token_urlsafe(32)
    keep(path, made + "\n")
    return made

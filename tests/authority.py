"""A certificate authority made on the spot: certificates of servers and of clients."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority of its own, trusted by nobody but who is told to."""

    def __init__(self, folder: Path, name: str = "the authority") -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        ca = x509.BasicConstraints(ca=True, path_length=0)
        self._own = _built(self._name, self._name, self._key, self._key, [(ca, True)])
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.pem)

    @property
    def pem(self) -> bytes:
        return self._own.public_bytes(serialization.Encoding.PEM)

    def pair(self, common_name: str, *alternative: x509.GeneralName) -> tuple[bytes, bytes]:
        """Return key and certificate for a name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        extensions: list[tuple[Any, bool]] = [(x509.BasicConstraints(ca=False, path_length=None), True)]
        if alternative:
            extensions.append((x509.SubjectAlternativeName(alternative), False))
        certificate = _built(subject, self._name, key, self._key, extensions)
        pem = serialization.PrivateFormat.PKCS8
        return (
            key.private_bytes(serialization.Encoding.PEM, pem, serialization.NoEncryption()),
            certificate.public_bytes(serialization.Encoding.PEM),
        )

    def server_files(self) -> tuple[Path, Path]:
        """Return the files of key and certificate of a server on 127.0.0.1."""
        key, certificate = self.pair("the server", x509.IPAddress(ip_address("127.0.0.1")))
        key_file, certificate_file = self._folder / "server.key", self._folder / "server.pem"
        key_file.write_bytes(key)
        certificate_file.write_bytes(certificate)
        return key_file, certificate_file


def _built(
    subject: x509.Name, issuer: x509.Name, key: Any, signed_by: Any, extensions: list[tuple[Any, bool]]
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signed_by, hashes.SHA256())

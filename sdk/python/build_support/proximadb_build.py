"""The package's build backend: setuptools, after what the package embeds was made.

    proto/proximadb/v1/proximadb.proto    the repository's contract of the service
    sdk/python/proto/**.proto             the few public messages the SDK needs besides
        -> src/proximadb/_proto/contract.binpb, a compiled FileDescriptorSet
    schemas/*.avsc                        the Avro schemas of all payloads
        -> src/proximadb/_schemas/*.avsc
    LICENSE -> LICENSE

Descriptors are embedded instead of generated Python because generated modules refuse to be imported
with a protobuf runtime older than the compiler that made them; descriptors work with any.

In a source distribution the repository is not around, but what was made of it is; nothing is made
then, and no compiler is needed. `python build_support/proximadb_build.py` makes the files without
installing anything.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Optional

from setuptools import build_meta

PROJECT = Path(__file__).resolve().parent.parent
REPOSITORY = PROJECT.parent.parent
CONTRACT = REPOSITORY / "proto/proximadb/v1/proximadb.proto"
OWN_MESSAGES = PROJECT / "proto/proximadb/sdk/v1/messages.proto"
EMBEDDED_CONTRACT = PROJECT / "src/proximadb/_proto/contract.binpb"
EMBEDDED_SCHEMAS = PROJECT / "src/proximadb/_schemas"

Settings = Optional[dict[str, Any]]


def is_checkout() -> bool:
    """Whether the repository that the embedded files are made from surrounds the package."""
    return CONTRACT.is_file() and (REPOSITORY / "schemas").is_dir()


def embed() -> None:
    """Makes the embedded files, or sees that a source distribution brought them."""
    if is_checkout():
        embed_contract()
        embed_schemas()
        shutil.copyfile(REPOSITORY / "LICENSE", PROJECT / "LICENSE")
    elif not (EMBEDDED_CONTRACT.is_file() and any(EMBEDDED_SCHEMAS.glob("*.avsc"))):
        raise SystemExit(
            f"{PROJECT} has neither the repository around it nor the files made from it: "
            "build from a checkout or from a complete source distribution"
        )


def embed_contract() -> None:
    """Compiles the protocol definitions to one descriptor set."""
    from grpc_tools import protoc

    EMBEDDED_CONTRACT.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=EMBEDDED_CONTRACT.parent) as folder:
        made = Path(folder) / "contract.binpb"
        roots = [REPOSITORY / "proto", PROJECT / "proto"]
        options = [f"-I{root}" for root in roots] + [f"--descriptor_set_out={made}"]
        status = protoc.main(["protoc", *options, str(CONTRACT), str(OWN_MESSAGES)])
        if status != 0:
            raise SystemExit(f"protoc ended with status {status}; its message is above")
        made.replace(EMBEDDED_CONTRACT)


def embed_schemas() -> None:
    """Copies the schemas; those the repository no longer has go."""
    shutil.rmtree(EMBEDDED_SCHEMAS, ignore_errors=True)
    EMBEDDED_SCHEMAS.mkdir(parents=True)
    for schema in sorted((REPOSITORY / "schemas").glob("*.avsc")):
        shutil.copyfile(schema, EMBEDDED_SCHEMAS / schema.name)


def _compiler() -> list[str]:
    return ["grpcio-tools"] if is_checkout() else []


# The hooks of PEP 517 and PEP 660. Metadata need nothing embedded, so those hooks are setuptools'.

prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """What setuptools needs, and in a checkout the compiler."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_compiler()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """What setuptools needs, and in a checkout the compiler."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_compiler()]


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """What setuptools needs, and in a checkout the compiler."""
    return [*build_meta.get_requires_for_build_sdist(config_settings), *_compiler()]


def build_wheel(
    wheel_directory: str,
    config_settings: Settings = None,
    metadata_directory: str | None = None,
) -> str:
    """Embeds and builds a wheel."""
    embed()
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(
    wheel_directory: str,
    config_settings: Settings = None,
    metadata_directory: str | None = None,
) -> str:
    """Embeds and builds the wheel of an editable installation."""
    embed()
    return str(build_meta.build_editable(wheel_directory, config_settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Embeds and builds a source distribution, which is complete without the repository."""
    embed()
    return str(build_meta.build_sdist(sdist_directory, config_settings))


if __name__ == "__main__":
    embed()

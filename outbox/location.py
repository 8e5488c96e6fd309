"""Whether `schemas` is the package that came with this one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from outbox.errors import ShadowedPackage

# The folder is resolved, not the file: each file may be a link of its own into a cache.
HOME = Path(__file__).parent.resolve().parent


def require_own_schemas() -> None:
    found = schemas_folder()
    if found is not None and found != HOME / "schemas":
        raise ShadowedPackage(
            f"the package 'schemas' at {found} hides the one of django-outbox-bridge at "
            f"{HOME / 'schemas'}; rename yours, or move it inside another package"
        )


def schemas_folder() -> Path | None:
    """Where `import schemas` would look; None where there is nothing to import."""
    spec = find_spec("schemas")
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(spec.origin).resolve() if spec.origin else None

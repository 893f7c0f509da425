"""`make sbom`: the bill of materials (CycloneDX 1.6, JSON) of what the lock files pin.

Equal lock files give equal bytes.
Packages for development and tests have the scope `excluded`. The hashes of a Python package are those of each
archive that pip may install; npm has one archive. Dependencies are the direct ones of the product.
"""

import json
import sys
import tomllib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.supply_chain.licences import UNKNOWN, Policy, WrongVersionError, licence_of, name_of
from scripts.supply_chain.lock_files import ROOT, LockFileError, Package, packages
from tools import VERSION

_NAMESPACE: Final = uuid.UUID("6f0b6f0e-5f5c-4c39-9d0a-5f3f0a6a1a55")
_PURL_TYPES: Final = {"PyPI": "pypi", "npm": "npm"}


def bill_of_materials(root: Path, pinned: Mapping[Package, str]) -> str:
    """The document for the packages `pinned`, each with its licence, of the product in `root`."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    bom = Bom()
    bom.metadata.timestamp = None  # type: ignore[assignment]  # optional in CycloneDX, and different in each run
    product = Component(
        name=project["name"],
        version=VERSION,
        type=ComponentType.APPLICATION,
        bom_ref=project["name"],
        licenses=[LicenseFactory().make_from_string(project["license"])],
    )
    bom.metadata.component = product
    components = {package: _component(package, licence) for package, licence in pinned.items()}
    for component in components.values():
        bom.components.add(component)
    direct = _direct(root, project)
    used = [
        component
        for package, component in components.items()
        if package.runtime and name_of(package) in direct
    ]
    bom.register_dependency(product, used)
    bom.serial_number = None  # type: ignore[assignment]  # it follows from the content
    document = json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = uuid.uuid5(_NAMESPACE, content).urn
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _component(package: Package, licence: str) -> Component:
    group, _, name = package.name.rpartition("/")
    purl = PackageURL(_PURL_TYPES[package.ecosystem], group or None, name, package.version)
    return Component(
        name=name,
        group=group or None,
        version=package.version,
        type=ComponentType.LIBRARY,
        scope=ComponentScope.REQUIRED if package.runtime else ComponentScope.EXCLUDED,
        purl=purl,
        bom_ref=purl.to_string(),
        hashes=[HashType(alg=HashAlgorithm(alg), content=value) for alg, value in package.hashes],
        licenses=[] if licence == UNKNOWN else [LicenseFactory().make_from_string(licence)],
        properties=[Property(name="idaas-agent:lock-file", value=file) for file in package.lock_files],
    )


def _direct(root: Path, project: Mapping[str, Any]) -> set[str]:
    """The packages that pyproject.toml, with its extras, and the page's package.json name."""
    texts = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        texts += extra
    python = {canonicalize_name(Requirement(text).name) for text in texts}
    page = json.loads((root / "frontend/package.json").read_text("utf-8")).get("dependencies", {})
    return {f"PyPI:{name}" for name in python} | {f"npm:{name}" for name in page}


def main(arguments: list[str]) -> int:
    """Writes the document to the file that is named. Exit status 2 if that is impossible."""
    try:
        policy = Policy.read()
        pinned = {package: licence_of(package, policy) for package in packages()}
        target = Path(arguments[0] if arguments else "build/sbom.cdx.json")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(bill_of_materials(ROOT, pinned), "utf-8")
    except (LockFileError, WrongVersionError, OSError, KeyError, ValueError) as error:
        sys.stderr.write(f"the bill of materials cannot be written: {error}\n")
        return 2
    sys.stdout.write(f"{target}: {len(pinned)} packages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The bill of materials: CycloneDX's own schema, and what is in it."""

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts.supply_chain.lock_files import ROOT, Package, packages
from scripts.supply_chain.sbom import bill_of_materials, main

THING = Package(
    "PyPI", "anyio", "1.0", True, (("SHA-256", "ab" * 32), ("SHA-256", "cd" * 32)), ("requirements.lock",)
)
SCOPED = Package(
    "npm", "@types/a", "2.0.0", False, (("SHA-512", "ef" * 64),), ("frontend/package-lock.json",)
)


def test_document_of_the_lock_files_is_valid_and_complete_and_names_no_registry(tmp_path, capsys):
    target = tmp_path / "new" / "sbom.json"
    assert main([str(target)]) == 0
    assert str(target) in capsys.readouterr().out
    document = target.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None
    components = json.loads(document)["components"]
    assert len(components) == len(packages())
    assert all(component["hashes"] and component["licenses"] for component in components)
    assert "://" not in document.replace("http://cyclonedx.org/schema/bom-1.6.schema.json", "")


def test_equal_packages_give_equal_bytes_without_a_time():
    one = bill_of_materials(ROOT, {THING: "MIT", SCOPED: "MIT"})
    two = bill_of_materials(ROOT, {SCOPED: "MIT", THING: "MIT"})
    assert one == two
    assert "timestamp" not in one
    other = bill_of_materials(ROOT, {THING: "ISC", SCOPED: "MIT"})
    assert json.loads(one)["serialNumber"] != json.loads(other)["serialNumber"]


def test_component_has_purl_scope_hashes_licence_and_lock_file():
    document = json.loads(bill_of_materials(ROOT, {THING: "MIT OR Apache-2.0", SCOPED: "unknown"}))
    scoped, thing = document["components"]
    assert (thing["purl"], thing["scope"]) == ("pkg:pypi/anyio@1.0", "required")
    assert [each["content"] for each in thing["hashes"]] == ["ab" * 32, "cd" * 32]
    assert thing["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert thing["properties"] == [{"name": "idaas-agent:lock-file", "value": "requirements.lock"}]
    assert (scoped["purl"], scoped["scope"]) == ("pkg:npm/%40types/a@2.0.0", "excluded")
    assert (scoped["group"], scoped["name"], "licenses" in scoped) == ("@types", "a", False)
    assert document["dependencies"][0] == {"ref": "idaas-agent", "dependsOn": [thing["bom-ref"]]}


def test_file_that_cannot_be_written_is_an_error(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "file" / "sbom.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err

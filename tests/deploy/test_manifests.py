"""The files of `deploy/` are valid by the schemas of their engines, and true to the agent."""

import configparser
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from agent.settings.settings import variables
from identity.idaas.client_authentication.metadata_service import METADATA_ENDPOINT
from tools import VERSION

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
MANIFESTS = sorted(path for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml")
SIGNER = DEPLOY / "kubernetes-signer"
MANIFESTS_OF_SIGNER = sorted(path for path in SIGNER.glob("*.yaml") if path.name != "kustomization.yaml")
OLDEST = "1.31"


def manifest(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((KUBERNETES / name).read_text())
    return found


def container() -> dict[str, Any]:
    (found,) = manifest("deployment.yaml")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def dockerfile() -> str:
    return (DEPLOY / "container" / "Dockerfile").read_text()


@pytest.mark.parametrize(
    "path", [*MANIFESTS, *MANIFESTS_OF_SIGNER], ids=lambda path: f"{path.parent.name}-{path.name}"
)
@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_manifests_are_valid_by_kubernetes_schema(path: Path, version: str) -> None:
    kubernetes_validate.validate(yaml.safe_load(path.read_text()), version, strict=True)


def test_kustomization_names_every_manifest() -> None:
    kustomization = manifest("kustomization.yaml")
    assert sorted(kustomization["resources"]) == [path.name for path in MANIFESTS]
    (generator,) = kustomization["configMapGenerator"]
    assert (KUBERNETES / generator["envs"][0]).is_file()


def test_every_object_selects_the_deployments_pods() -> None:
    labels = manifest("deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    assert manifest("deployment.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("service.yaml")["spec"]["selector"] == labels
    assert manifest("disruption-budget.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("network-policy.yaml")["spec"]["podSelector"]["matchLabels"] == labels


def test_the_container_has_no_privileges() -> None:
    pod = manifest("deployment.yaml")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_kubernetes_probes_are_the_agents_public_routes() -> None:
    probes = {name: container()[name]["httpGet"]["path"] for name in container() if name.endswith("Probe")}
    assert probes == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"}


def test_metrics_are_reached_by_prometheus_alone_and_not_by_the_service() -> None:
    environment = dict(line.split("=", 1) for line in (KUBERNETES / "agent.env").read_text().splitlines())
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert environment["METRICS_PORT"] == str(ports["metrics"])
    assert [port["targetPort"] for port in manifest("service.yaml")["spec"]["ports"]] == ["http"]
    public, metrics = manifest("network-policy.yaml")["spec"]["ingress"]
    assert [port["port"] for port in public["ports"]] == [ports["http"]]
    assert [port["port"] for port in metrics["ports"]] == [ports["metrics"]]
    assert "namespaceSelector" in metrics["from"][0]


def test_running_answers_may_end_before_a_pod_is_killed() -> None:
    variables_of = dict(line.split("=", 1) for line in (KUBERNETES / "agent.env").read_text().splitlines())
    grace = manifest("deployment.yaml")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    delay, seconds = (float(variables_of[f"SHUTDOWN_{name}SECONDS"]) for name in ("DELAY_", ""))
    assert grace > delay + seconds + 10


def test_terminating_pod_serves_until_the_balancers_of_its_cluster_know_of_it() -> None:
    variables_of = dict(line.split("=", 1) for line in (KUBERNETES / "agent.env").read_text().splitlines())
    period = container()["readinessProbe"]["periodSeconds"]
    assert float(variables_of["SHUTDOWN_DELAY_SECONDS"]) >= 2 * period


def test_the_image_is_the_one_that_the_documents_build() -> None:
    (image,) = manifest("kustomization.yaml")["images"]
    tag = f"idaas-agent:{image['newTag']}"
    assert (container()["image"], image["name"], image["newTag"]) == ("idaas-agent", "idaas-agent", VERSION)
    for text in (dockerfile(), (DEPLOY.parent / "docs" / "deployment.md").read_text()):
        assert set(re.findall(r"docker build .*-t (\S+)", text)) == {tag}


def test_number_of_replicas_is_the_autoscalers_alone() -> None:
    deployment = manifest("deployment.yaml")
    assert "replicas" not in deployment["spec"]
    assert manifest("autoscaler.yaml")["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


def test_replicas_are_spread_over_nodes_and_zones() -> None:
    template = manifest("deployment.yaml")["spec"]["template"]
    spread = template["spec"]["topologySpreadConstraints"]
    assert [constraint["topologyKey"] for constraint in spread] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    for constraint in spread:
        assert constraint["labelSelector"]["matchLabels"] == template["metadata"]["labels"]


def test_metadata_service_can_be_reached_at_its_address_alone() -> None:
    (rule,) = [rule for rule in manifest("network-policy.yaml")["spec"]["egress"] if "to" in rule]
    address = urlsplit(METADATA_ENDPOINT)
    assert rule["to"] == [{"ipBlock": {"cidr": f"{address.hostname}/32"}}]
    assert rule["ports"] == [{"protocol": "TCP", "port": address.port or 80}]


def test_managed_databases_can_be_reached() -> None:
    allowed = [rule for rule in manifest("network-policy.yaml")["spec"]["egress"] if "to" not in rule]
    assert {443, 5432, 6379} <= {port["port"] for rule in allowed for port in rule["ports"]}


def test_replicas_start_only_with_what_they_share_and_read_it_from_files_of_the_secret() -> None:
    environment = {entry["name"]: entry.get("value") for entry in container()["env"]}
    assert all(value is not None for value in environment.values()), "no secret is an environment variable"
    autoscaler = manifest("autoscaler.yaml")["spec"]
    assert environment["REPLICAS"] == str(autoscaler["minReplicas"])
    (mount,) = [each for each in container()["volumeMounts"] if each["name"] == "idaas"]
    created = (KUBERNETES / "kustomization.yaml").read_text()
    for name in ("IDAAS_CLIENT_SECRET", "CONVERSATIONS_URL", "CONVERSATIONS_KEY", "REDIS_URL", "AUDIT_KEY"):
        folder, _, file = str(environment[f"{name}_FILE"]).rpartition("/")
        assert folder == mount["mountPath"]
        assert f"--from-file={file}" in created.split()


def test_every_variable_of_the_deployments_exists_and_none_is_a_secret() -> None:
    known = {*variables(), "IDAAS_CLIENT_SECRET_FILE", "ENV_PRIVATE_KEY_FILE"}
    named = {line.partition("=")[0] for line in (KUBERNETES / "agent.env").read_text().splitlines()}
    named |= {entry["name"] for entry in container()["env"]}
    named |= set(re.findall(r"^\s+([A-Z_]+)=\S+ ?\\?$", dockerfile(), re.MULTILINE)) - {
        *("PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
    }
    unit = (DEPLOY / "systemd" / "idaas-agent.service").read_text()
    named |= set(re.findall(r"^Environment=([A-Z_]+)=", unit, re.MULTILINE))
    assert named - known == set()
    assert "AGENT_HOST" in named


def test_the_image_is_built_without_root_at_run_time_and_without_build_tools() -> None:
    final = dockerfile().split("\nFROM ")[-1]
    assert re.search(r"^USER [1-9][0-9]+$", final, re.MULTILINE)
    assert "pip" not in final
    assert "apt" not in dockerfile()
    copied = [
        line.split()[1] for line in final.splitlines() if line.startswith("COPY") and "--from" not in line
    ]
    assert all((DEPLOY.parent / name).exists() for name in copied)
    ignored = (DEPLOY / "container" / "Dockerfile.dockerignore").read_text().splitlines()
    needed = re.findall(r"^COPY (?!--from)(\S+)", dockerfile(), re.MULTILINE)
    assert all(any(name.startswith(line[1:]) for line in ignored if line.startswith("!")) for name in needed)


def unit_service(name: str) -> configparser.SectionProxy:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as configparser documents
    unit.read_string((DEPLOY / "systemd" / f"{name}.service").read_text())
    return unit["Service"]


def test_the_systemd_unit_has_no_secret_and_no_root() -> None:
    service = unit_service("idaas-agent")
    assert (service["DynamicUser"], service["NoNewPrivileges"]) == ("yes", "yes")
    assert service["LoadCredential"].startswith("client-secret:")
    assert service["ExecStart"].endswith("idaas-agent serve")


def signer() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((SIGNER / "deployment.yaml").read_text())
    return found


def test_kustomization_of_the_signer_names_every_manifest_and_the_agents_image() -> None:
    kustomization = yaml.safe_load((SIGNER / "kustomization.yaml").read_text())
    assert sorted(kustomization["resources"]) == [path.name for path in MANIFESTS_OF_SIGNER]
    assert kustomization["images"] == manifest("kustomization.yaml")["images"]
    (generator,) = kustomization["configMapGenerator"]
    assert (SIGNER / generator["envs"][0]).is_file()


def test_one_signer_runs_without_privileges_network_and_the_agents_user() -> None:
    spec = signer()["spec"]
    pod = spec["template"]["spec"]
    of_agent = manifest("deployment.yaml")["spec"]["template"]["spec"]
    (own,) = pod["containers"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    assert own["securityContext"] == container()["securityContext"]
    assert (own["image"], pod["automountServiceAccountToken"]) == (container()["image"], False)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] != of_agent["securityContext"]["runAsUser"]
    policy = yaml.safe_load((SIGNER / "network-policy.yaml").read_text())["spec"]
    assert (policy["policyTypes"], policy.get("ingress"), policy.get("egress")) == (
        ["Ingress", "Egress"],
        None,
        None,
    )
    assert policy["podSelector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


def test_signer_reads_its_keys_from_files_of_its_secret_and_the_log_of_others() -> None:
    (own,) = signer()["spec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry["value"] for entry in own["env"]}
    read_only = {mount["mountPath"] for mount in own["volumeMounts"] if mount.get("readOnly")}
    created = (SIGNER / "kustomization.yaml").read_text().split()
    for name in ("AUDIT_SIGNING_KEY_FILE", "AUDIT_KEY_FILE"):
        folder, _, file = environment[name].rpartition("/")
        assert folder in read_only
        assert f"--from-file={file}" in created
    assert environment["AUDIT_LOG_FILE"].rpartition("/")[0] in read_only
    assert environment["AUDIT_SIGNING_FOLDER"].rpartition("/")[0] not in read_only


def test_signer_of_systemd_is_another_user_who_reads_the_agents_log_and_nothing_else_of_it() -> None:
    service, agent = unit_service("idaas-agent-signer"), unit_service("idaas-agent")
    assert (service["DynamicUser"], service["NoNewPrivileges"], service["PrivateNetwork"]) == ("yes",) * 3
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == "CAP_DAC_READ_SEARCH"
    assert service["LoadCredential"].startswith("signing.pem:")
    assert service["UMask"] == "0022", "the public keys are for others"
    text, of_agent = (
        (DEPLOY / "systemd" / f"{name}.service").read_text() for name in ("idaas-agent-signer", "idaas-agent")
    )
    log = re.findall(r"^Environment=AUDIT_LOG_FILE=.*$", text, re.MULTILINE)
    assert log == re.findall(r"^Environment=AUDIT_LOG_FILE=.*$", of_agent, re.MULTILINE)
    for closed in ("/etc/idaas-agent", f"/var/lib/private/{agent['StateDirectory']}"):
        assert f"InaccessiblePaths=-{closed}\n" in text


def test_signers_run_the_command_that_signs_with_variables_that_exist() -> None:
    (own,) = signer()["spec"]["template"]["spec"]["containers"]
    started = unit_service("idaas-agent-signer")["ExecStart"].split()
    assert own["args"] == started[1:] == ["audit", "sign", "--follow"]
    unit = (DEPLOY / "systemd" / "idaas-agent-signer.service").read_text()
    named = set(re.findall(r"^Environment=([A-Z_]+)=", unit, re.MULTILINE))
    named |= {entry["name"] for entry in own["env"]}
    named |= {line.partition("=")[0] for line in (SIGNER / "signer.env").read_text().splitlines()}
    assert named <= {*variables()}
    pages = [DEPLOY.parent / "docs" / "deployment.md", SIGNER / "kustomization.yaml"]
    assert all("kubectl apply -k deploy/kubernetes-signer" in page.read_text() for page in pages)

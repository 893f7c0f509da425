"""Dashboard and alerts use the metrics that the agent has, with the labels and codes that they have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.errors.error_table import ERROR_CODES
from agent.operations.metrics.agent_measures import AgentMeasures
from agent.operations.metrics.prometheus_text import prometheus_labels, sample_name
from graph.tool_calls.call_record import TOOL_ERROR
from identity.access_token.revocation import Target
from identity.observation.metrics import CANCELLED, OTHER, Kind, Metric

METRICS = AgentMeasures().metrics.declared()
FOLDER = Path(__file__).parents[2] / "deploy" / "observability"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds."""
WORDS = {
    *("sum", "max", "rate", "increase", "histogram_quantile", "by", "or", "unless", "offset", "label_values"),
    *("le", *SCRAPED),
}
VALUES = {
    "error_type": {"", TOOL_ERROR, CANCELLED, OTHER, *(code.value for code in ERROR_CODES)},
    "idaas_agent_lookup_result": {"cached", "stale", "requested", "checked"},
    "idaas_agent_revocation_target": {target.value for target in Target},
}


def samples(metric: Metric) -> set[str]:
    name = sample_name(metric)
    return (
        {f"{name}_{part}" for part in ("bucket", "count", "sum")} if metric.kind is Kind.HISTOGRAM else {name}
    )


BY_SAMPLE = {sample: metric for metric in METRICS for sample in samples(metric)} | {"up": None}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Each expression with the place where it stands."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]


EXPRESSIONS = list(expressions())


def faults(expression: str) -> list[str]:
    """What in `expression` the agent does not have."""
    found: list[str] = []
    for name, matchers in re.findall(r"([a-z_]\w*)\s*\{([^}]*)\}", expression):
        metric = BY_SAMPLE.get(name)
        known = {*SCRAPED, *(("le",) if name.endswith("_bucket") else ())}
        known |= set(prometheus_labels(metric)) if metric else set()
        for label, operator, value in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', matchers):
            if label not in known:
                found.append(f"{name} has no label {label}")
            if label in VALUES:
                found += [f"{label} is never {one}" for one in value.split("|") if one not in VALUES[label]]
            assert operator
    plain = re.sub(r'"[^"]*"|\[[^\]]*\]|\b\d[\w.]*', " ", expression)
    labels = {label for metric in BY_SAMPLE.values() if metric for label in prometheus_labels(metric)}
    for word in re.findall(r"\$?\b[a-zA-Z_]\w*", re.sub(r"\{[^}]*\}", " ", plain)):
        if word not in BY_SAMPLE and word not in WORDS and word not in labels:
            found.append(f"there is no {word}")
    used = {
        label for sample in BY_SAMPLE if re.search(rf"\b{sample}\b", plain) for label in labels_of(sample)
    }
    for grouped in re.findall(r"\bby \(([^)]*)\)", plain):
        found += [f"nothing has {label}" for label in re.findall(r"\w+", grouped) if label not in used]
    return found


def labels_of(sample: str) -> set[str]:
    metric = BY_SAMPLE[sample]
    return {
        *SCRAPED,
        *(prometheus_labels(metric) if metric else ()),
        *(("le",) if sample.endswith("_bucket") else ()),
    }


@pytest.mark.parametrize(("place", "expression"), EXPRESSIONS, ids=[place for place, _ in EXPRESSIONS])
def test_expression_uses_only_what_the_agent_has(place: str, expression: str) -> None:
    assert faults(expression) == [], place


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("sum (idaas_agent_audit_failure_total)", "there is no idaas_agent_audit_failure_total"),
        ("sum (gen_ai_invoke_agent_duration_seconds)", "there is no gen_ai_invoke_agent_duration_seconds"),
        (
            'rate(idaas_agent_audit_lost_total{code="x"}[5m])',
            "idaas_agent_audit_lost_total has no label code",
        ),
        (
            'rate(idaas_agent_request_errors_total{error_type="rate_limit"}[5m])',
            "error_type is never rate_limit",
        ),
        ("sum by (http_route) (rate(idaas_agent_audit_lost_total[5m]))", "nothing has http_route"),
    ],
)
def test_mistake_in_an_expression_is_found(expression: str, fault: str) -> None:
    assert faults(expression) == [fault]


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    missing = [metric.name for metric in METRICS if not any(s in shown for s in samples(metric))]
    assert missing == []


def test_panels_are_distinct_and_read_the_chosen_data_source() -> None:
    identifiers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(identifiers)) == len(identifiers)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    for panel in panels():
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


def test_legends_name_labels_of_their_expression() -> None:
    for panel in panels():
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            grouped = {
                label
                for by in re.findall(r"\bby \(([^)]*)\)", target["expr"])
                for label in re.findall(r"\w+", by)
            }
            assert named <= grouped, panel["title"]


def test_alerts_are_distinct_and_say_what_happened_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "description"}
        named = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", rule["expr"])))) or SCRAPED
        assert named <= grouped, rule["alert"]


def test_prometheus_reads_the_alerts_and_the_port_of_the_documentation() -> None:
    configuration = yaml.safe_load((FOLDER / "prometheus.yaml").read_text(encoding="utf-8"))
    assert all((FOLDER / name).is_file() for name in configuration["rule_files"])
    (job,) = configuration["scrape_configs"]
    assert job["job_name"] == "idaas-agent"
    assert 'up{job="idaas-agent"}' in " ".join(rule["expr"] for rule in RULES)

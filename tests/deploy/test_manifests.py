"""What is deployed reads as its platform reads it, and says what the code understands.

No engine of containers and no cluster is needed: Kubernetes' own models, Dagster's own configuration of its launchers and
the command line's own choices judge the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from unittest import mock

import click
import pytest
import yaml

from cli.main import cli as command_line
from orchestration.process.instance import render, runs_at_once
from synkro.core.errors import ConfigurationError
from synkro.core.settings import ROOT, Settings, settings
from tests.deploy import kinds

KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = (ROOT / "deploy" / "celery" / "dagster.yaml", KUBERNETES / "instance.yaml")
MANIFESTS = (
    "config.yaml", "secret.example.yaml", "rbac.yaml", "networkpolicy.yaml", "migrate.yaml", "app.yaml", "dagster.yaml",
)  # fmt: skip
KNOWN = {f"SYNKRO_{name.upper()}" for name in Settings.model_fields}


def documents() -> list[dict[str, Any]]:
    return [one for name in MANIFESTS for one in yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8"))]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for document in documents():
        if document["kind"] in ("Deployment", "Job"):
            yield document["metadata"]["name"], document["spec"]["template"]["spec"]


def secrets() -> dict[str, dict[str, str]]:
    return {one["metadata"]["name"]: one["stringData"] for one in documents() if one["kind"] == "Secret"}


def given(pod: dict[str, Any]) -> set[str]:
    """The secrets among a container's variables."""
    (container,) = pod["containers"]
    whole = [source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source]
    return {key for name in whole for key in secrets()[name]} | {
        one["name"] for one in container.get("env", ()) if "valueFrom" in one
    }


def parse(arguments: list[str]) -> None:
    """Read the arguments as ``synkro`` would; raises :class:`click.UsageError`."""
    command: click.Command = command_line
    while isinstance(command, click.Group):
        _, found, arguments = command.resolve_command(click.Context(command), arguments)
        assert found is not None
        command = found
    command.make_context("synkro", arguments).close()


def test_every_manifest_is_what_kubernetes_knows() -> None:
    found = [kinds.check(document) for document in documents()]
    assert len(found) >= 12
    names = [f"{document['kind']}/{document['metadata']['name']}" for document in documents()]
    assert len(names) == len(set(names))
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))
    assert set(kustomization["resources"]) == set(MANIFESTS) - {"secret.example.yaml"}
    (generated,) = kustomization["configMapGenerator"]
    assert all((KUBERNETES / file.partition("=")[2]).exists() for file in generated["files"])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda pod: pod["containers"][0].update(comand=[]), "unknown"),
        (lambda pod: pod["containers"][0].pop("name"), "name"),
        (lambda pod: pod["containers"][0]["ports"][0].update(containerPort="8080"), "int is wanted"),
    ],
)
def test_the_reader_of_manifests_is_strict(spoil: Any, why: str) -> None:
    document = next(one for one in documents() if one["kind"] == "Deployment" and one["metadata"]["name"] == "app")
    spoil(document["spec"]["template"]["spec"])
    with pytest.raises(ValueError, match=why):
        kinds.check(document)


def test_what_a_pod_names_is_there() -> None:
    there = {(document["kind"], document["metadata"]["name"]) for document in documents()}
    there.add(("ConfigMap", "synkro-dagster"))
    seen, known = 0, secrets()
    for name, pod in pods():
        assert ("ServiceAccount", pod["serviceAccountName"]) in there, name
        (container,) = pod["containers"]
        parse(container["args"])
        for source in container["envFrom"]:
            for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if key in source:
                    assert (kind, source[key]["name"]) in there
        for variable in container.get("env", ()):
            assert variable["name"] in KNOWN
            if "valueFrom" in variable:
                source = variable["valueFrom"]["secretKeyRef"]
                assert source["key"] == variable["name"] and source["key"] in known[source["name"]]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        assert {v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v} == {"synkro-dagster"}
        claims = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v]
        assert all(("PersistentVolumeClaim", claim) in there for claim in claims)
        assert bool(claims) == (name == "dagster-code"), "the audit log's anchors outlive the pod that writes them"
        assert pod["securityContext"]["runAsNonRoot"] is True
        seen += 1
    assert seen == 6
    services = {
        document["metadata"]["name"]: document["spec"] for document in documents() if document["kind"] == "Service"
    }
    for name, service in services.items():
        assert service["selector"] == {"app": name} and ("Deployment", name) in there
        assert service.get("type", "ClusterIP") == "ClusterIP", "only the ingress of the app is reachable"


def test_the_environment_is_the_one_the_code_reads() -> None:
    for document in documents():
        if document["kind"] in ("ConfigMap", "Secret"):
            names = set(document.get("data") or document.get("stringData"))
            assert {name for name in names if name.startswith("SYNKRO_")} - {"SYNKRO_IMAGE"} <= KNOWN
    assert secrets() and not any(value for keys in secrets().values() for value in keys.values()), "no secret in it"


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.parent.name)
def test_dagster_accepts_the_template_with_the_overlay(
    overlay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster._core.instance.ref import InstanceRef

    home = tmp_path / "home"
    home.mkdir()
    text = render(overlay)
    (home / "dagster.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("SYNKRO_DAGSTER_STORAGE_URL", "postgresql+psycopg2://nobody@localhost/none")
    monkeypatch.setenv("SYNKRO_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("SYNKRO_IMAGE", "registry.example/synkro:1")
    ref = InstanceRef.from_dir(str(home))
    with mock.patch("kubernetes.config.load_incluster_config"):
        launcher = ref.run_launcher
    assert type(launcher).__name__ in ("CeleryRunLauncher", "K8sRunLauncher")
    settled, lower, upper = (yaml.safe_load(one) for one in (render(overlay), render(None), overlay.read_text()))
    assert settled.keys() == lower.keys()
    assert all(settled[key] == lower[key] for key in lower.keys() - upper.keys()), "what it does not speak of stays"
    own, base = (one["concurrency"]["runs"] for one in (settled, lower))
    keys = [(one["key"], type(one["value"])) for one in own["tag_concurrency_limits"]]
    assert keys == [(one["key"], type(one["value"])) for one in base["tag_concurrency_limits"]]
    assert sum(one["limit"] for one in own["tag_concurrency_limits"][1:]) == own["max_concurrent_runs"]


def test_a_run_of_kubernetes_is_a_job_that_finds_its_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster._core.instance.ref import InstanceRef
    from dagster_k8s.container_context import K8sContainerContext
    from dagster_k8s.job import construct_dagster_k8s_job

    (tmp_path / "dagster.yaml").write_text(render(KUBERNETES / "instance.yaml"), encoding="utf-8")
    monkeypatch.setenv("SYNKRO_IMAGE", "registry.example/synkro:1")
    with mock.patch("kubernetes.config.load_incluster_config"):
        launcher: Any = InstanceRef.from_dir(str(tmp_path)).run_launcher
    context = K8sContainerContext.create_for_run(
        mock.Mock(job_code_origin=None, tags={}), launcher, include_run_tags=False
    )
    job = construct_dagster_k8s_job(
        job_config=context.get_k8s_job_config(job_image=None, run_launcher=launcher),
        args=["dagster", "api", "execute_run", "{}"],
        job_name="run",
        user_defined_k8s_config=context.run_k8s_config,
        pod_name="run",
        component="run_worker",
        labels={},
    )
    pod = job.spec.template.spec
    (container,) = pod.containers
    assert container.image == "registry.example/synkro:1"
    assert container.command == ["python", "-m", "orchestration.process.instance"]
    assert container.args[:3] == ["dagster", "api", "execute_run"]
    assert {source.config_map_ref.name for source in container.env_from if source.config_map_ref} == {"synkro"}
    assert {source.secret_ref.name for source in container.env_from if source.secret_ref} == {"synkro"}
    assert [mount.mount_path for mount in container.volume_mounts] == ["/data", "/tmp"]
    assert container.security_context.read_only_root_filesystem is True
    assert container.security_context.allow_privilege_escalation is False
    assert container.security_context.capabilities.drop == ["ALL"] and pod.automount_service_account_token is False
    # what the policies of the network know it by
    assert job.spec.template.metadata.labels["app.kubernetes.io/component"] == RUN["app.kubernetes.io/component"]
    assert {mount.name for mount in container.volume_mounts} == {volume.name for volume in pod.volumes}
    assert (pod.restart_policy, job.spec.backoff_limit, job.spec.active_deadline_seconds) == ("Never", 0, 14400)
    assert pod.security_context.run_as_user == 10001 and pod.service_account_name == "synkro-run"


SPOILT: tuple[dict[str, Any], ...] = (
    {"container_config": {"image": "evil.example/x"}},
    {"container_config": {"command": ["sh", "-c", "id"]}},
    {"container_config": {"env": [{"name": "LD_PRELOAD", "value": "/data/x.so"}]}},
    {"container_config": {"env_from": [{"secret_ref": {"name": "synkro-web"}}]}},
    {"container_config": {"security_context": {"privileged": True}}},
    {"pod_spec_config": {"service_account_name": "synkro-daemon"}},
    {"pod_spec_config": {"automountServiceAccountToken": True}},
    {"pod_spec_config": {"volumes": [{"name": "host", "host_path": {"path": "/"}}]}},
    {"pod_spec_config": {"hostNetwork": True}},
    {"pod_template_spec_metadata": {"labels": {"app": "dagster-daemon"}}},
    {"job_metadata": {"namespace": "kube-system"}},
    {"job_spec_config": {"parallelism": 100}},
)


def test_a_run_may_not_change_its_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever launches a run writes its tags."""
    from dagster._core.instance.ref import InstanceRef

    (tmp_path / "dagster.yaml").write_text(render(KUBERNETES / "instance.yaml"), encoding="utf-8")
    monkeypatch.setenv("SYNKRO_IMAGE", "registry.example/synkro:1")
    with mock.patch("kubernetes.config.load_incluster_config"):
        launcher: Any = InstanceRef.from_dir(str(tmp_path)).run_launcher

    def pod(tags: dict[str, str]) -> dict[str, Any]:
        context = launcher.get_container_context_for_run(mock.Mock(job_code_origin=None, tags=tags))
        return dict(context.run_k8s_config.pod_spec_config)

    assert pod({})["restart_policy"] == "Never"
    for config in SPOILT:
        with pytest.raises(Exception, match="violated the allowed list"):
            pod({"dagster-k8s/config": json.dumps(config)})


# --- who may speak to whom ----------------------------------------------------------------------------------

RUN = {"app.kubernetes.io/component": "run_worker"}
PUBLIC, METADATA, INSIDE = "203.0.113.7", "169.254.169.254", "10.3.0.9"


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    asked = selector.get("matchExpressions", [])
    assert all(one["operator"] == "In" for one in asked)
    return wanted <= labels.items() and all(labels.get(one["key"]) in one["values"] for one in asked)


def _reaches(peer: dict[str, Any], target: dict[str, str] | str) -> bool:
    """``target``: the labels of a pod of ours, or an address."""
    if isinstance(target, dict):
        return "podSelector" in peer and "namespaceSelector" not in peer and _selects(peer["podSelector"], target)
    address, block = ip_address(target), peer.get("ipBlock")
    if block is None or ip_network(block["cidr"]).version != address.version:
        return False
    return address in ip_network(block["cidr"]) and not any(address in ip_network(one) for one in block["except"])


@lru_cache(maxsize=1)
def policies() -> list[dict[str, Any]]:
    return [one["spec"] for one in documents() if one["kind"] == "NetworkPolicy"]


def is_open(way: str, pod: dict[str, str], other: dict[str, str] | str, port: int) -> bool:
    """Whether a policy lets this pod speak (``egress``) or be spoken to (``ingress``), as Kubernetes reads them."""
    chosen = [one for one in policies() if _selects(one["podSelector"], pod) and way.capitalize() in one["policyTypes"]]
    if not chosen:
        return True
    side = "to" if way == "egress" else "from"
    return any(
        (side not in rule or any(_reaches(peer, other) for peer in rule[side]))
        and any(one["port"] == port for one in rule["ports"])
        for policy in chosen
        for rule in policy.get(way, ())
    )


def test_the_network_lets_through_what_is_needed_and_nothing_else() -> None:
    labels = [
        document["spec"]["template"]["metadata"]["labels"]
        for document in documents()
        if document["kind"] in ("Deployment", "Job")
    ]
    pods = {one["app"]: one for one in labels} | {"run": RUN, "stranger": {"app": "stranger"}}

    def speak(port: int) -> set[tuple[str, str]]:
        return {
            (one, other)
            for one in pods
            for other in pods
            if is_open("egress", pods[one], pods[other], port) and is_open("ingress", pods[other], pods[one], port)
        }

    def let_in(name: str, port: int) -> set[str]:
        """Whom a pod's own side of the policies lets in, whatever the others' say."""
        return {other for other in pods if is_open("ingress", pods[name], pods[other], port)}

    assert let_in("dagster-webserver", 3000) == {"app"}
    assert let_in("dagster-code", 4000) == {"dagster-daemon", "dagster-webserver"}
    assert {name for name in pods if let_in(name, 22)} == {name for name in pods if let_in(name, 443)} == set()
    assert speak(3000) == {("app", "dagster-webserver")}
    assert speak(4000) == {("dagster-daemon", "dagster-code"), ("dagster-webserver", "dagster-code")}
    assert speak(8080) == speak(22) == speak(443) == set()

    def reach(address: str, port: int) -> set[str]:
        return {name for name in pods if is_open("egress", pods[name], address, port)}

    of_ours = set(pods) - {"stranger"}
    assert reach(INSIDE, 5432) == reach(PUBLIC, 6543) == of_ours
    assert reach(PUBLIC, 443) == {"run", "app", "sender", "dagster-daemon"}
    # the daemon asks Kubernetes for Jobs; credentials of the cloud are nobody's, its neighbours neither
    assert reach(INSIDE, 443) == reach(METADATA, 443) == {"dagster-daemon"}
    assert reach(METADATA, 80) == reach(PUBLIC, 80) == set()


def test_only_the_daemon_has_a_token_and_only_workers_the_owners_address() -> None:
    accounts = {one["metadata"]["name"]: one for one in documents() if one["kind"] == "ServiceAccount"}
    tokens, owners, keys = set(), set(), {}
    for name, pod in pods():
        (container,) = pod["containers"]
        if pod["automountServiceAccountToken"] or accounts[pod["serviceAccountName"]].get(
            "automountServiceAccountToken", True
        ):
            tokens.add(name)
        if "SYNKRO_DATABASE_URL" in given(pod):
            owners.add(name)
        keys[name] = given(pod)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        anchors = {"/anchors"} if name == "dagster-code" else set()
        assert {one["mountPath"] for one in container["volumeMounts"]} == {"/data", "/tmp", "/etc/synkro", *anchors}
        assert "readinessProbe" in container or name == "synkro-migrate"
    assert tokens == {"dagster-daemon"}
    bound = [
        one["name"] for document in documents() if document["kind"] == "RoleBinding" for one in document["subjects"]
    ]
    assert bound == ["synkro-daemon"]
    assert owners == {"dagster-code", "synkro-migrate"}
    assert "SYNKRO_APP_DATABASE_URL" in keys["app"] & keys["sender"]
    assert keys["dagster-webserver"] == {"SYNKRO_DAGSTER_DATABASE_URL", "SYNKRO_DAGSTER_KEY"}
    assert keys["dagster-daemon"] == {"SYNKRO_DAGSTER_DATABASE_URL"}
    assert {name for name in keys if "SYNKRO_WEB_SECRET" in keys[name]} == {"app"}


def test_the_web_server_shows_the_limits_of_the_runs_and_launches_none() -> None:
    upper = {
        name: yaml.safe_load((KUBERNETES / name).read_text()) for name in ("instance.yaml", "instance-webserver.yaml")
    }
    assert upper["instance-webserver.yaml"] == {"concurrency": upper["instance.yaml"]["concurrency"]}
    (pod,) = [pod for name, pod in pods() if name == "dagster-webserver"]
    (overlay,) = [one["value"] for one in pod["containers"][0]["env"] if one["name"] == "SYNKRO_DAGSTER_OVERLAY"]
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))
    (generated,) = kustomization["configMapGenerator"]
    assert f"{overlay.rpartition('/')[2]}=instance-webserver.yaml" in generated["files"]
    settled = yaml.safe_load(render(KUBERNETES / "instance-webserver.yaml"))
    assert settled["run_launcher"]["class"] == "DefaultRunLauncher"


def test_an_unreadable_overlay_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SYNKRO_DAGSTER_OVERLAY"):
        render(tmp_path / "missing.yaml")
    (tmp_path / "text.yaml").write_text("just words", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="нет ключей"):
        render(tmp_path / "text.yaml")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"SYNKRO_DATABASE_URL": "postgresql://owner:p@db.example:5432/synkro"}, None),
        ({"SYNKRO_DATABASE_URL": "postgresql://postgres.abcdefgh:p@pooler.example:5432/postgres"}, 1),
        (
            {
                "SYNKRO_DATABASE_URL": "postgresql://postgres.abcdefgh:p@pooler.example:5432/postgres",
                "SYNKRO_APP_DATABASE_URL": "postgresql://synkro_app.abcdefgh:p@pooler.example:6543/postgres",
            },
            2,
        ),
        (
            {
                "SYNKRO_DATABASE_URL": "postgresql://postgres.abcdefgh:p@pooler.example:5432/postgres",
                "SYNKRO_CONCURRENT_RUNS": "5",
            },
            5,
        ),
    ],
    ids=["embedded", "own server", "session pooler", "session pooler, the app beside it", "the operator says so"],
)
def test_no_more_runs_at_once_than_the_pool_has_room_for(
    environment: dict[str, str], expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SYNKRO_DATABASE_URL", "SYNKRO_APP_DATABASE_URL", "SYNKRO_CONCURRENT_RUNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    try:
        assert runs_at_once() == expected
        runs = yaml.safe_load(render(None, runs_at_once()))["concurrency"]["runs"]["max_concurrent_runs"]
        assert runs == (expected or 6)
    finally:
        monkeypatch.undo()
        settings.cache_clear()

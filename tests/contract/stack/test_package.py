"""What `pigeonhole package` makes of this repository."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.stack.errors import PackageFailed
from cli.stack.package import MAX_ZIP_BYTES, NATIVE, Package, package
from cli.stack.template import environment

REPO = Path(__file__).resolve().parents[3]
STAGES = ("local", "dev", "prod")
MAX_UNPACKED_BYTES = 40_000_000  # measured 27 MB; Lambda takes 250 MB
FUNCTIONS = {"APIHandler", "Reconcile", "Work"}

Packaged = Callable[[str], Package]

# Run with -S: nothing but the zip's folder and the standard library can be imported.
IMPORT_APP = """
import sys
sys.path.insert(0, sys.argv[1])
import app, boto3
print({"reconcile", "work"} <= set(app.app.handler_map), boto3.__file__.startswith(sys.argv[1]))
"""


def copy_of_sources(target: Path) -> Path:
    shutil.copytree(REPO / ".chalice", target / ".chalice")
    shutil.copytree(REPO / "chalicelib", target / "chalicelib")
    for name in ("app.py", "requirements.txt"):
        shutil.copy(REPO / name, target / name)
    return target


@pytest.mark.parametrize("stage", STAGES)
def test_cfn_lint_is_clean(packaged: Packaged, stage: str) -> None:
    template = packaged(stage).zip_path.with_name("template.json")
    lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([lint, template], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("stage", STAGES)
def test_the_packaged_zip_alone_imports(packaged: Packaged, stage: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(packaged(stage).zip_path) as archive:
        archive.extractall(tmp_path)
    variables = {
        name: value if isinstance(value, str) else "from-the-stack"
        for name, value in environment(packaged(stage).template, "Reconcile").items()
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT_APP, str(tmp_path)],
        env=variables | {"AWS_DEFAULT_REGION": "us-east-1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True True\n"


def test_the_zip_is_pure_python_and_small(packaged: Packaged) -> None:
    made = packaged("local")
    with zipfile.ZipFile(made.zip_path) as archive:
        entries = archive.infolist()
    assert not [entry.filename for entry in entries if entry.filename.endswith(NATIVE)]
    assert not [entry.filename for entry in entries if "__pycache__" in entry.filename]
    assert made.zip_path.stat().st_size <= MAX_ZIP_BYTES
    assert sum(entry.file_size for entry in entries) <= MAX_UNPACKED_BYTES


def test_every_stage_ships_the_same_zip(packaged: Packaged) -> None:
    assert len({packaged(stage).zip_digest for stage in STAGES}) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_keys_are_asked_for_outside_the_local_cloud_alone(packaged: Packaged, stage: str) -> None:
    body = packaged(stage).template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    asked = {
        bool(operation.get("security"))
        for item in body["paths"].values()
        for operation in item.values()
    }
    assert asked == {stage != "local"}


def test_each_function_has_its_own_role_and_partial_batches(packaged: Packaged) -> None:
    resources = packaged("prod").template["Resources"]
    functions = {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    assert set(functions) == FUNCTIONS
    roles = {json.dumps(properties["Role"]) for properties in functions.values()}
    assert len(roles) == len(FUNCTIONS)
    for name in ("Reconcile", "Work"):
        (event,) = functions[name]["Events"].values()
        assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert list(event["Properties"]["Queue"]) == ["Fn::GetAtt"]


def test_each_queue_parks_what_fails_five_times(packaged: Packaged) -> None:
    resources = packaged("prod").template["Resources"]
    for name in ("Events", "Work"):
        redrive = resources[f"{name}Queue"]["Properties"]["RedrivePolicy"]
        dead_letters = f"{name}DeadLetterQueue"
        assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [dead_letters, "Arn"]}
        assert redrive["maxReceiveCount"] == 5
        assert resources[dead_letters]["Type"] == "AWS::SQS::Queue"


def test_the_bucket_takes_tls_alone_where_the_stage_is_not_local(packaged: Packaged) -> None:
    template = packaged("prod").template
    policy = template["Resources"]["DataBucketPolicy"]
    assert template["Conditions"][policy["Condition"]] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "Stage"}, "local"]}]
    }
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_second_package_comes_from_the_build_folder(packaged: Packaged, build: Path) -> None:
    packaged("local")
    said: list[str] = []
    package(REPO, "local", build, said.append)
    assert said == []


def test_a_changed_source_is_packaged_again_to_the_same_bytes_otherwise(tmp_path: Path) -> None:
    sources = copy_of_sources(tmp_path / "repo")
    first = package(sources, "local", tmp_path / "one")
    again = package(sources, "local", tmp_path / "two")
    assert again.zip_digest == first.zip_digest
    (sources / "chalicelib" / "more.py").write_text("x = 1\n")
    changed = package(sources, "local", tmp_path / "two")
    assert changed.fingerprint != first.fingerprint
    with zipfile.ZipFile(changed.zip_path) as archive:
        assert "chalicelib/more.py" in archive.namelist()


def test_a_native_library_is_refused_by_name(tmp_path: Path) -> None:
    sources = copy_of_sources(tmp_path / "repo")
    (sources / "chalicelib" / "fast.so").write_bytes(b"\x7fELF")
    with pytest.raises(PackageFailed, match=r"chalicelib/fast\.so"):
        package(sources, "local", tmp_path / "build")
    assert not [path for path in (tmp_path / "build").iterdir() if "local-" in path.name]


def test_a_dependency_that_cannot_be_installed_fails_the_package(tmp_path: Path) -> None:
    """Chalice itself says so and exits 0."""
    sources = copy_of_sources(tmp_path / "repo")
    sdist = tmp_path / "needs_a_compiler-1.tar.gz"
    setup = (
        b"from setuptools import Extension, setup\n"
        b"setup(name='needs_a_compiler', version='1', ext_modules=[Extension('x', ['no.c'])])\n"
    )
    with tarfile.open(sdist, "w:gz") as archive:
        entry = tarfile.TarInfo("needs_a_compiler-1/setup.py")
        entry.size = len(setup)
        archive.addfile(entry, io.BytesIO(setup))
    (sources / "requirements.txt").write_text(f"{sdist}\n")
    with pytest.raises(PackageFailed, match=r"needs[-_]a[-_]compiler"):
        package(sources, "local", tmp_path / "build")


def test_an_app_that_does_not_import_fails_with_its_traceback(tmp_path: Path) -> None:
    sources = copy_of_sources(tmp_path / "repo")
    (sources / "app.py").write_text("import no_such_module\n")
    with pytest.raises(PackageFailed, match="no_such_module"):
        package(sources, "local", tmp_path / "build")
    assert os.listdir(tmp_path / "build") == []

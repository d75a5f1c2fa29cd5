"""Content of the images: the same libraries in both, labels, and nothing that no run uses."""

import json

import pytest

from bids_deeptaskgen.connectome.template_warp import TRANSFORM
from tests.processes import ROOT

pytestmark = pytest.mark.slow

# Docker's image as installed, with torch for CPUs; Apptainer's is compressed.
LARGEST = {"docker": 2.0e9, "apptainer": 0.9e9}
# Modules that a participant level imports, and that have no byte code although they have a source file.
UNCOMPILED = """
import importlib.util, os, sys
import bids_deeptaskgen.workflow.run, bids_deeptaskgen.commands.participant, bids_deeptaskgen.report.pages
import bids_deeptaskgen.nn.network, bids_deeptaskgen.bids.input, nipype.pipeline.engine, nilearn, lightning
paths = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
sources = [path for path in paths if path.endswith(".py") and os.path.isfile(path)]
print(len(sources), sum(not os.path.exists(importlib.util.cache_from_source(path)) for path in sources))
"""


def test_both_images_have_the_same_libraries(engines):
    lists = {
        name: set(engines(name).output_of("python3", "-m", "pip", "list", "--format=freeze").splitlines())
        for name in ("docker", "apptainer")
    }
    assert lists["docker"] == lists["apptainer"]
    names = {line.partition("==")[0].lower() for line in lists["docker"]}
    assert {"lightning", "nitransforms"} <= names


def test_the_libraries_have_the_versions_of_the_constraints(engine):
    exact = dict(
        line.lower().split("==")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )
    packages = json.loads(engine.output_of("python3", "-m", "pip", "list", "--format=json"))
    present = {package["name"].lower(): package["version"].partition("+")[0] for package in packages}
    common = exact.keys() & present.keys()
    assert {"torch", "numpy", "nipype", "pybids"} <= common
    assert {name: present[name] for name in common} == {name: exact[name] for name in common}


def test_the_labels_name_version_and_licence(engines):
    docker, apptainer = engines("docker").labels(), engines("apptainer").labels()
    version = engines("docker").output_of("bids-deeptaskgen", "--version").split()[-1]
    assert docker["org.opencontainers.image.version"] == version
    assert docker["org.opencontainers.image.licenses"] == "Apache-2.0"
    names = [name for name in docker if name.startswith(("org.opencontainers.", "bids_deeptaskgen."))]
    assert len(names) >= 8
    assert {name: apptainer.get(name) for name in names} == {name: docker[name] for name in names}


def test_unused_files_and_published_weights_are_absent(engine):
    words = "import site; print(site.getsitepackages()[0])"
    packages = engine.output_of("python3", "-c", words).strip()
    unused = engine.output_of(
        "find", packages, "/opt", "(", "-type", "d", "-name", "tests", "-o", "-path", "*/torch/include",
        "-o", "-path", "*/torch/bin/*test*", "-o", "-name", "*.a", "-o", "-name", "*.pth.tar",
        "-o", "-path", "/opt/src", ")",
    )  # fmt: skip
    assert unused == ""
    has_cuda = engine.output_of("find", packages, "-maxdepth", "1", "-name", "nvidia") != ""
    assert has_cuda == (engine.labels()["bids_deeptaskgen.torch"] == "cuda")


def test_the_modules_of_a_run_have_byte_code(engine):
    n_modules, n_uncompiled = map(int, engine.output_of("python3", "-W", "ignore", "-c", UNCOMPILED).split())
    assert n_modules > 1000
    assert n_uncompiled == 0


def test_the_transform_of_templates_is_whole_or_absent(engine):
    sizes = engine.output_of("find", "/opt/templateflow", "-name", TRANSFORM, "-printf", "%s\n").split()
    # TemplateFlow's list of files has empty ones.
    assert all(int(size) == 0 or int(size) > 1e6 for size in sizes)


def test_the_size_stays_in_its_limit(engine):
    labels = engine.labels()
    if labels["bids_deeptaskgen.torch"] != "cpu":
        pytest.skip("the limit is for torch without CUDA")
    assert engine.size() < LARGEST[engine.name]

"""Dockerfile and Singularity.def describe the same image, without building one."""

import configparser
import os
import re
import shutil
import subprocess

from tests.processes import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
DEFINITION = (ROOT / "Singularity.def").read_text("utf-8")
SCRIPT = ROOT / "scripts" / "install_image.sh"
# Docker needs a writable folder that exists in every container; Apptainer mounts the caller's /tmp.
DIFFERENT = {"TMPDIR", "MPLCONFIGDIR"}


def section(name):
    """Return the lines of a section of the definition, without comments."""
    text = re.search(rf"^%{name}\n(.*?)(?=^%|\Z)", DEFINITION, re.MULTILINE | re.DOTALL)[1]
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def neutral(value):
    """Write an argument of the build in one form."""
    return re.sub(r"\$(\w+)", r"{{ \1 }}", value)


def test_both_run_the_same_steps():
    docker = re.findall(r"^RUN (\S+install_image\.sh .+)$", DOCKERFILE, re.MULTILINE)
    apptainer = [line for line in section("post") if "install_image.sh" in line]
    assert len(docker) == 2
    assert [neutral(line) for line in docker] == apptainer


def test_both_have_the_same_base_and_arguments():
    docker = dict(re.findall(r"^ARG (\w+)=(.+)$", DOCKERFILE, re.MULTILINE))
    assert docker == dict(line.split("=") for line in section("arguments"))
    assert docker["TORCH"] == "cpu"
    base = re.search(r"^FROM (.+)$", DOCKERFILE, re.MULTILINE)[1]
    assert f"From: {base}\n" in DEFINITION


def test_both_have_the_same_labels():
    docker = dict(re.findall(r'^(?:LABEL|) +([\w.]+)="(.+?)"', DOCKERFILE, re.MULTILINE))
    labels = {name: neutral(value) for name, value in docker.items() if "." in name}
    assert len(labels) >= 8
    assert labels == dict(line.split(" ", 1) for line in section("labels"))


def test_both_have_the_same_environment():
    docker = dict(re.findall(r"^(?:ENV|) +([A-Z_]+)=([^\s\\]+)", DOCKERFILE, re.MULTILINE))
    apptainer = dict(re.match(r"export (\w+)=(.+)", line).groups() for line in section("environment"))
    # A user of Apptainer may set a variable on the host.
    apptainer = {name: re.sub(r'^"\$\{\w+:-(.+)\}"$', r"\1", value) for name, value in apptainer.items()}
    assert set(docker) - set(apptainer) == {"TMPDIR"}
    common = set(docker) - DIFFERENT
    assert {name: docker[name] for name in common} == {name: apptainer[name] for name in common}


def test_the_context_of_the_build_has_every_copied_file():
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")
    }
    copied = {
        word for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    }
    assert copied == kept
    assert {line.split()[0] for line in section("files")} == kept
    assert all((ROOT / name).exists() for name in kept)


def test_the_extras_of_the_images_exist_and_are_those_of_commands():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    extras = re.search(r"^EXTRAS=(.+)$", SCRIPT.read_text("utf-8"), re.MULTILINE)[1].split(",")
    assert {"train", "warp"} <= set(extras) <= set(config["options.extras_require"])


def test_the_script_has_no_syntax_error_and_refuses_an_unknown_torch(tmp_path):
    subprocess.run(["sh", "-n", SCRIPT], check=True)
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")
    # The pip of this test does nothing, so that the check of the argument is reached.
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}/usr/bin:/bin"}
    process = subprocess.run(
        [shutil.which("sh"), SCRIPT, "libraries", "rocm", "index"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert "TORCH=rocm is not known. Use TORCH=cpu or TORCH=cuda." in process.stderr


def test_the_guide_names_the_options_for_gpus():
    text = (ROOT / "docs" / "how-to" / "containers.md").read_text("utf-8")
    assert all(word in text for word in ("--gpus all", "--nv", "TORCH=cuda"))

"""Arguments of batch plugins that cannot work are refused before a file is written."""

import os

import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.workflow.plugin_arguments import check_arguments
from bids_deeptaskgen.workflow.plugins import check_plugin
from tests.workflow import slurm_stand_in


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    folder = slurm_stand_in.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plugin: SLURMGraph", "Use the plugin SLURM instead"),
        ("plugin: SGEGraph", "Use the plugin SGE instead"),
        ('plugin: SLURM\nplugin_args: {sbatch_args: "-o \'x"}', "sbatch_args cannot be read"),
        ('plugin: SLURM\nplugin_args: {sbatch_args: "-p x -a 1-3"}', "contains the option --array"),
        ("plugin: SLURM\nplugin_args: {sbatch_args: [--clusters=x]}", "contains the option --clusters"),
        ("plugin: SLURM\nplugin_args: {template: }", "template is None"),
        ("plugin: SLURM\nplugin_args: {template: typo.sh}", "neither a file nor the start"),
        ("plugin: PBS\nplugin_args: {template: typo.sh}", "neither a file nor the start"),
        ("plugin: SLURM\nplugin_args: {template: plugin.yml}", "neither a file nor the start"),
        (
            "plugin: SLURM\nplugin_args:\n  template: |\n    #!/bin/sh\n    #SBATCH -o 'x\n",
            "template cannot be read",
        ),
        ('plugin: SLURM\nplugin_args: {max_jobs: "5"}', "max_jobs is '5'"),
        ("plugin: LSF\nplugin_args: {max_jobs: 0}", "max_jobs is 0"),
        ("plugin: SLURM\nplugin_args: {jobid_re: 'job ('}", "not a regular expression"),
        ("plugin: SLURM\nplugin_args: {jobid_re: Submitted}", "has no group"),
        ("plugin: PBS\nplugin_args: {poll_sleep_duration: often}", "must be a number"),
    ],
)
def test_plugins_that_cannot_work_are_refused(stand_in, settings_of, tmp_path, text, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "plugin.yml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        check_plugin(settings_of(tmp_path, use_plugin=path))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("SLURM", {}),
        ("SLURM", {"template": "#!/bin/bash\n#SBATCH -c 2\n" + "module load python\n" * 100, "max_jobs": 10}),
        ("SLURM", {"template": "", "jobid_re": r"id: (\d+)", "sbatch_args": "-A lab --mail-type=END"}),
        ("SGE", {"template": "#$ -V", "qsub_args": "-q long"}),
    ],
)
def test_usual_arguments_of_batch_plugins_are_accepted(name, arguments):
    check_arguments(name, arguments)


def test_the_plugin_is_refused_where_jobs_cannot_be_submitted(settings_of, tmp_path, monkeypatch):
    path = tmp_path / "plugin.yml"
    path.write_text("plugin: SLURM")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="sbatch"):
        check_plugin(settings_of(tmp_path, use_plugin=path))

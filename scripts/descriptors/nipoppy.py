"""Nipoppy pipelines: maps of each participant after fMRIPrep, and their imaging-derived phenotypes."""

from typing import Any

from scripts.descriptors.boutiques import app_descriptor, export_descriptor

PROCESSING = "deeptaskgen"
EXTRACTION = "deeptaskgen_idps"
# Of a job, and of the computation.
_CORES = 4
# Of Nipoppy 0.4: of the pipeline and of its tracker.
_SCHEMA_VERSION = "1.0"
_PARTICIPANT = "[[NIPOPPY_BIDS_PARTICIPANT_ID]]"
_SESSION = "[[NIPOPPY_BIDS_SESSION_ID]]"
# Start of the names of a session's files, and of files of data without sessions, which Nipoppy calls session
# unnamed. The tasks are those of the invocation, or of a settings file.
_FILES = f"{_PARTICIPANT}/{_SESSION}/func/{_PARTICIPANT}_{_SESSION}_task-*"
_FILES_WITHOUT_SESSIONS = f"{_PARTICIPANT}/func/{_PARTICIPANT}_task-*"


def processing_files(version: str, image: str) -> dict[str, Any]:
    """Return the files of the pipeline that predicts maps.

    Parameters
    ----------
    version : str
        Version of the program and of the pipeline.
    image : str
        Name of the container image.

    Returns
    -------
    dict of str to object
        Content by name of the file.
    """
    config = {
        "NAME": PROCESSING,
        "VERSION": version,
        "DESCRIPTION": "Task-contrast maps predicted from the resting-state fMRI that fMRIPrep preprocessed.",
        "CONTAINER_INFO": _container(version, image),
        "CONTAINER_CONFIG": {
            "BIND_PATHS": ["[[DEEPTASKGEN_HOME]]"],
            "ENV_VARS": {"DEEPTASKGEN_HOME": "[[DEEPTASKGEN_HOME]]"},
        },
        "STEPS": [
            {
                **_step("participant"),
                "TRACKER_CONFIG_FILE": "tracker.json",
                "GENERATE_PYBIDS_DATABASE": False,
            }
        ],
        "VARIABLES": {
            "FMRIPREP_VERSION": "Version of fMRIPrep in this study whose derivatives are the input.",
            "MODEL": "Name of a model (hcp-ya), or path of the folder of one that the container can read.",
            "DEEPTASKGEN_HOME": "Folder of the models that deeptaskgen models fetch has downloaded.",
        },
        "PIPELINE_TYPE": "processing",
        "SCHEMA_VERSION": _SCHEMA_VERSION,
    }
    invocation = {
        "bids_dir": "[[NIPOPPY_DPATH_DERIVATIVES]]/fmriprep/[[FMRIPREP_VERSION]]/output",
        "output_dir": "[[NIPOPPY_DPATH_PIPELINE_OUTPUT]]",
        "analysis_level": "participant",
        "participant_label": ["[[NIPOPPY_PARTICIPANT_ID]]"],
        "model": "[[MODEL]]",
        # The last digits of maps depend on it, so it is the same on all nodes.
        "omp_nthreads": _CORES,
        "work_dir": "[[NIPOPPY_DPATH_PIPELINE_WORK]]",
    }
    return {
        "config.json": config,
        "descriptor.json": app_descriptor(version, image),
        "invocation.json": invocation,
        "tracker.json": _tracker(_FILES),
        "tracker_without_sessions.json": _tracker(_FILES_WITHOUT_SESSIONS),
        "hpc.json": _hpc(hours=1, cores=_CORES, memory_gb=4),
    }


def extraction_files(version: str, image: str) -> dict[str, Any]:
    """Return the files of the pipeline that writes imaging-derived phenotypes.

    Parameters
    ----------
    version : str
        Version of the program and of both pipelines.
    image : str
        Name of the container image.

    Returns
    -------
    dict of str to object
        Content by name of the file.
    """
    config = {
        "NAME": EXTRACTION,
        "VERSION": version,
        "DESCRIPTION": "Means of predicted maps in brain regions, and quality metrics, for each session.",
        "CONTAINER_INFO": _container(version, image),
        # A table of the study is written at once: parallel jobs would replace each other's rows.
        "STEPS": [_step("group")],
        "PROC_DEPENDENCIES": [{"NAME": PROCESSING, "VERSION": version}],
        "PIPELINE_TYPE": "extraction",
        "SCHEMA_VERSION": _SCHEMA_VERSION,
    }
    invocation = {
        "output_dir": "[[NIPOPPY_DPATH_PIPELINE_OUTPUT]]",
        "out": "[[NIPOPPY_DPATH_PIPELINE_IDP]]",
        "overwrite": True,
    }
    return {
        "config.json": config,
        "descriptor.json": export_descriptor(version, image),
        "invocation.json": invocation,
        "hpc.json": _hpc(hours=1, cores=1, memory_gb=2),
    }


def _tracker(files: str) -> dict[str, Any]:
    """Return the paths that a finished session has, from the start of the names of its files.

    The record of quality metrics is written when all other files of the session are complete. The other
    paths reveal files that were removed later. The folder of a session is not named, so that Nipoppy refuses
    to archive it: the export and the group level would miss it.
    """
    return {
        "PATHS": [
            f"{files}_desc-qc_metrics.json",
            f"{files}_stat-z_desc-predicted_statmap.nii.gz",
            f"{files}_stat-z_desc-predicted_statmap.json",
            f"{files}_meas-PearsonCorrelation_relmat.tsv",
        ],
        "SCHEMA_VERSION": _SCHEMA_VERSION,
    }


def _container(version: str, image: str) -> dict[str, str]:
    """Return file and name of the image, which both pipelines share."""
    return {
        "FILE": f"[[NIPOPPY_DPATH_CONTAINERS]]/{PROCESSING}_{version}.sif",
        "URI": f"docker://{image}",
    }


def _step(level: str) -> dict[str, Any]:
    return {
        "INVOCATION_FILE": "invocation.json",
        "DESCRIPTOR_FILE": "descriptor.json",
        "ANALYSIS_LEVEL": level,
        "HPC_CONFIG_FILE": "hpc.json",
    }


def _hpc(*, hours: int, cores: int, memory_gb: int) -> dict[str, str]:
    """Return the request of a job, with the keys of Nipoppy's templates of job scripts."""
    return {
        "ACCOUNT": "[[HPC_ACCOUNT_NAME]]",
        "TIME": f"{hours}:00:00",
        "CORES": str(cores),
        "MEMORY": f"{memory_gb}G",
        "ARRAY_CONCURRENCY_LIMIT": "",
    }

"""A real GPU for these tests. Without one, the tests fail: they never pass without having run."""

import pytest
import torch


@pytest.fixture(scope="session")
def gpu():
    """Return the name of the device."""
    if not torch.cuda.is_available():
        pytest.fail(
            f"torch {torch.__version__} found no GPU. These tests need an NVIDIA GPU, its driver, and torch "
            "built for CUDA (in a container also: docker --gpus all, apptainer --nv)."
        )
    return "cuda"

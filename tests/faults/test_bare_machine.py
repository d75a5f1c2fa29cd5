"""A home that cannot be written and no network, as in a container."""

import subprocess

import pytest

from tests.processes import leftovers, results, without_root_powers

pytestmark = pytest.mark.slow


@pytest.fixture
def cut_off():
    """Start a command without a network and without root's power over files."""
    alone = ("unshare", "--net", "--")
    try:
        done = subprocess.run([*alone, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare here to take the network away")
    if done.returncode:
        pytest.skip(f"the network cannot be taken away here: {done.stderr.strip()}")
    if without_root_powers() is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    return (*alone, *without_root_powers())


@pytest.mark.parametrize("n_procs", ["1", "2"])
def test_neither_home_nor_network_is_needed(start, alone, cut_off, tmp_path, n_procs):
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    elsewhere = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TEMPLATEFLOW_HOME", "MPLCONFIGDIR")
    environment = {"HOME": str(home)} | dict.fromkeys(elsewhere)
    app = start("--nprocs", n_procs, prefix=cut_off, environment=environment)
    assert app.wait() == 0, app.words
    assert list(home.iterdir()) == []
    assert results(app.output) == alone
    assert leftovers(app.output) == []

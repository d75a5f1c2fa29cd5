"""Motion parameters without column names, and implausible motion."""

import numpy as np
import pytest

from bids_deeptaskgen.connectome.confounds import read_confounds
from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.connectome.motion_files import read_motion_file
from bids_deeptaskgen.connectome.volume_tables import TableError
from bids_deeptaskgen.nuisance_presets import MOTION
from tests.connectome.confounds_tables import N, make_table, tables_of, write_table


@pytest.mark.parametrize(
    "name", ["Movement_Regressors.txt", "Movement_Regressors_dt.txt", "prefiltered_func_data_mcf.par"]
)
@pytest.mark.parametrize("n_columns", [6, 12])
def test_motion_of_hcp_and_of_fsl_comes_in_mm_and_radians(tmp_path, name, n_columns):
    motion = small_motion()
    path = tmp_path / name
    hcp = np.hstack([motion[:, :3], np.rad2deg(motion[:, 3:]), np.zeros((N, 6))])[:, :n_columns]
    fsl = np.hstack([motion[:, 3:], motion[:, :3]])
    np.savetxt(path, fsl if path.suffix == ".par" else hcp)
    confounds = read_confounds(RunInputs(tmp_path / "bold.nii.gz", None, path, 2.0), N)
    np.testing.assert_allclose(confounds.table[list(MOTION)], motion, atol=1e-12)
    assert confounds.findings == ()


def small_motion():
    return np.random.default_rng(0).standard_normal((N, 6)) * [0.1, 0.1, 0.1, 0.002, 0.002, 0.002]


def small_columns():
    return dict(zip(MOTION, small_motion().T, strict=True))


def refusal(tmp_path, name, content):
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        np.savetxt(path, content)
    with pytest.raises(TableError) as error:
        read_confounds(RunInputs(tmp_path / "bold.nii.gz", None, path, 2.0), N)
    assert str(error.value).startswith(str(path))
    return str(error.value)


@pytest.mark.parametrize("name", ["rp_bold.txt", "confounds.txt", "motion.1D"])
@pytest.mark.parametrize("n_columns", [6, 20])
def test_numbers_without_names_are_motion_in_files_of_hcp_and_mcflirt_only(tmp_path, name, n_columns):
    message = refusal(tmp_path, name, np.random.default_rng(0).standard_normal((N, n_columns)))
    assert f"has {n_columns} columns of numbers without names" in message
    assert "only HCP's Movement_Regressors.txt and MCFLIRT's .par" in message


def test_a_table_with_names_is_read_whatever_its_suffix(tmp_path):
    path = tmp_path / "confounds.txt"
    write_table(path, make_table())
    confounds = read_confounds(RunInputs(tmp_path / "bold.nii.gz", None, path, 2.0), N)
    np.testing.assert_array_equal(confounds.table["trans_x"], make_table()["trans_x"])


def test_motion_in_other_units_or_another_order_is_refused(tmp_path):
    motion = small_motion()
    degrees = np.hstack([motion[:, :3], np.rad2deg(motion[:, 3:])])
    message = refusal(tmp_path, "Movement_Regressors.txt", motion)
    assert "smaller than translations (limit 20): they may be radians read as degrees" in message
    assert "larger than translations" in refusal(tmp_path, "mcf.par", degrees[:, [3, 4, 5, 0, 1, 2]])
    # SPM's order: mm, then radians.
    assert "larger than translations" in refusal(tmp_path, "rp.par", motion)
    assert "rotations reach" in refusal(tmp_path, "rp.par", 10 * motion)


@pytest.mark.parametrize("noise_mm", [0.0, 0.005])
@pytest.mark.parametrize("axis", range(6))
def test_one_large_step_says_nothing_about_units(tmp_path, axis, noise_mm):
    rng = np.random.default_rng(0)
    n_volumes = 1200
    drift = np.deg2rad(1) * np.sin(np.arange(n_volumes) / 200)[:, None] * [1, 1, -1]
    motion = np.hstack([noise_mm * rng.standard_normal((n_volumes, 3)), drift])
    motion[600:, axis] += 8 if axis < 3 else np.deg2rad(20)
    path = tmp_path / "mcf.par"
    np.savetxt(path, np.hstack([motion[:, 3:], motion[:, :3]]))
    found = read_motion_file(path)
    np.testing.assert_allclose(np.column_stack([found[name] for name in MOTION]), motion, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mcf.par", np.zeros((N, 12)), "has 12 columns, but MCFLIRT's .par has 6"),
        ("Movement_Regressors.txt", np.zeros((N, 7)), "has 7 columns, but HCP's"),
        ("mcf.par", "0 0 0 0 0 inf\n" * N, 'line 1: "inf" is not a finite number'),
        ("mcf.par", "0 0 0 0 0 0,5\n" * N, 'line 1: "0,5" is a decimal comma'),
        ("mcf.par", "0 0 0 0 0 0\n" * (N - 1) + "0 0 0 0 0\n", "line 100: has 5 numbers, but line 1 has 6"),
        ("mcf.par", "", "line 1: has 0 numbers"),
    ],
)
def test_a_damaged_motion_file_is_refused(tmp_path, name, content, message):
    assert message in refusal(tmp_path, name, content)


def test_implausible_motion_of_a_table_is_a_finding(tmp_path):
    table = make_table().drop(columns="framewise_displacement").assign(**small_columns())
    assert read_confounds(tables_of(tmp_path, confounds=table), N).findings == ()
    for name in MOTION[3:]:
        table[name] = np.rad2deg(table[name])
    (finding,) = read_confounds(tables_of(tmp_path, confounds=table), N).findings
    assert finding.name == "implausible_motion"
    assert finding.value > finding.threshold == 20
    assert f"{tmp_path / 'confounds.tsv'}: rotations are" in finding.message
    table = make_table().assign(**small_columns(), framewise_displacement=60.0)
    (finding,) = read_confounds(tables_of(tmp_path, confounds=table), N).findings
    assert "framewise displacement reaches 60 mm (limit 50)" in finding.message

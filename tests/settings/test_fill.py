"""Laws of the dataclasses that are filled from options: each default stands once."""

import ast
import inspect
import textwrap
from dataclasses import MISSING, dataclass, fields

import pytest
from hypothesis import given

from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.cli.parser import Parser, from_namespace
from bids_deeptaskgen.connectome.cleaning import Cleaning, DataRequirements
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nuisance_presets import FMRIPREP_PRESET
from bids_deeptaskgen.settings.fill import default_of, fill
from bids_deeptaskgen.settings.option import option, option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.prediction import PredictionSettings, PredictSettings
from bids_deeptaskgen.settings.simulation import SimulateSettings
from bids_deeptaskgen.settings.toml_file import from_toml, to_toml
from bids_deeptaskgen.settings.training import FinetuneSettings, TrainSettings
from bids_deeptaskgen.simulation.dataset import Cohort
from bids_deeptaskgen.simulation.resting_state import RestSettings
from bids_deeptaskgen.training.fit import FitSettings
from bids_deeptaskgen.training.losses import LossSettings
from tests.settings.settings_values import settings_of

# Each dataclass with the settings that fill it, and its fields whose option has another name.
FILLED = {
    Cleaning: (ParticipantSettings, {}),
    DataRequirements: (ParticipantSettings, {}),
    Query: (
        ParticipantSettings,
        {
            "tasks": "task_id",
            "excluded": "exclude_participant_label",
            "participants": "participant_label",
            "sessions": "session_label",
        },
    ),
    LossSettings: (TrainSettings, {"name": "loss"}),
    FitSettings: (TrainSettings, {"n_epochs": "epochs", "loss": "loss"}),
    Architecture: (TrainSettings, {"name": "architecture"}),
    RestSettings: (SimulateSettings, {}),
    Cohort: (SimulateSettings, {}),
}
# Fields that no option is for.
FREE = {
    "DataRequirements": {"window_minutes"},
    "Query": {"space", "runs", "other_tasks", "custom", "filters", "fallback", "needs_confounds"},
    "LossSettings": {"within_margin", "within_min", "between_margin", "between_max", "anneal_epochs"},
    "FitSettings": {"strategy"},
    "Architecture": {"in_channels", "out_channels", "batch_norm"},
    "Cohort": {"rest", "grid"},
}
NONE_FOR_AUTO = {"high_pass", "dummy_scans", "n_windows"}


def written_defaults(kind):
    """Return the expression of each field's default in the source."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    return {node.target.id: node.value for node in body.body if isinstance(node, ast.AnnAssign)}


@pytest.mark.parametrize("kind", FILLED)
def test_every_field_is_an_options_or_listed_as_free(kind):
    settings_class, renamed = FILLED[kind]
    options = {item.name for item in option_specs(settings_class)}
    names = {item.name for item in fields(kind)}
    assert {name for name in names if renamed.get(name, name) not in options} == FREE.get(
        kind.__name__, set()
    )
    assert set(renamed) <= names


@pytest.mark.parametrize("kind", FILLED)
def test_no_default_of_an_option_is_written_a_second_time(kind):
    settings_class, renamed = FILLED[kind]
    options = {item.name: item for item in option_specs(settings_class)}
    for name, written_text in written_defaults(kind).items():
        item = options.get(renamed.get(name, name))
        if item is None or item.is_required or written_text is None:
            continue
        # A tuple that is empty says that nothing is chosen, and FitSettings.loss is a dataclass of this kind.
        if isinstance(written_text, ast.Tuple) and not written_text.elts:
            continue
        assert not isinstance(written_text, ast.Constant), f"{kind.__name__}.{name} repeats a default"
        if name in ("nuisance_regressors", "loss"):
            continue
        field = kind.__dataclass_fields__[name]
        assert field.default is default_of(settings_class, item.name)


def test_the_preset_of_a_notebook_is_what_auto_means_for_the_output_of_fmriprep():
    assert Cleaning().nuisance_regressors is FMRIPREP_PRESET
    assert FitSettings().loss == LossSettings()


@given(settings_of(ParticipantSettings))
def test_options_reach_the_fields_of_their_names_and_auto_is_none(settings):
    for filled in (fill(Cleaning, settings), fill(DataRequirements, settings, window_minutes=5.0)):
        for item in fields(filled):
            value = getattr(filled, item.name)
            if item.name == "window_minutes":
                assert value == 5.0
            elif item.name in NONE_FOR_AUTO and getattr(settings, item.name) == "auto":
                assert value is None
            else:
                assert value == getattr(settings, item.name)


def test_what_is_given_beside_the_settings_wins():
    settings = TrainSettings(out="/out", connectomes="/c", statmaps="/s", model="m", name="mine", fdim=8)
    filled = fill(Architecture, settings, name=settings.architecture, in_channels=3, out_channels=2)
    assert filled == Architecture("attentionunet", 3, 2, 8)


@given(settings_of(PredictSettings))
def test_settings_of_another_command_keep_auto(settings):
    filled = fill(ParticipantSettings, settings, bids_dir="/data", output_dir="/out")
    for item in option_specs(PredictionSettings):
        assert getattr(filled, item.name) == getattr(settings, item.name)


def test_a_text_that_reads_auto_stays_text():
    @dataclass(frozen=True)
    class Where:
        device: str | None
        label: str | None

    settings = PredictSettings("/bold.nii.gz", "/out", label="auto")
    assert fill(Where, settings) == Where("auto", "auto")
    assert default_of(PredictionSettings, "device") == "auto"


def test_a_default_that_does_not_exist_is_refused():
    for settings_class, name in ((ParticipantSettings, "bids_dir"), (FinetuneSettings, "strategy")):
        assert any(item.name == name and item.default is MISSING for item in option_specs(settings_class))
        with pytest.raises(ValueError, match=f"no option {name} with a default"):
            default_of(settings_class, name)
    with pytest.raises(ValueError, match="no option fd_treshold"):
        default_of(PredictionSettings, "fd_treshold")


def test_a_new_option_reaches_command_line_file_and_dataclass_without_further_places():
    @dataclass(frozen=True)
    class MoreSettings(ParticipantSettings):
        scrub_after: int = option(2, help="volumes to leave out after each that moved")

    @dataclass(frozen=True)
    class MoreCleaning(Cleaning):
        scrub_after: int = default_of(MoreSettings, "scrub_after")

    parser = Parser(prog="program")
    parser.add_settings(MoreSettings)
    settings = from_namespace(MoreSettings, parser.parse_args(["/data", "/out", "--scrub-after=5"]))
    assert fill(MoreCleaning, settings).scrub_after == 5
    assert from_toml(MoreSettings, to_toml(settings)) == settings
    assert MoreCleaning().scrub_after == 2
    assert fill(MoreCleaning, MoreSettings("/data", "/out")) == MoreCleaning("auto")

"""Laws of the sources of features on the command line."""

import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings, FeatureSource, parse_features


def settings(**changes):
    values = {"out": "/out", "features": ["wm=/store:wm2bk"], "target": ["age"]}
    return BiomarkersSettings(**(values | changes))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "path", "parts"),
    [
        ("wm=/store", "/store", ()),
        ("wm=/store:wm2bk", "/store", ("wm2bk",)),
        ("wm=/store:wm2bk, motorLh,wm2bk", "/store", ("wm2bk", "motorLh")),
        ("wm=/a=b:connectome", "/a=b", ("connectome",)),
        ("idps=/data/idps.v2.tsv", "/data/idps.v2.tsv", ()),
        ("wm=/a:b/store", "/a:b/store", ()),
        ("wm=/a:b:", "/a:b", ()),
        ("wm=/a:b:c", "/a:b", ("c",)),
    ],
)
def test_the_parts_of_a_source_follow_the_last_colon(text, path, parts):
    source = parse_features(text)
    assert (source.name, source.path.as_posix(), source.parts) == (
        "wm" if "idps" not in text else "idps",
        path,
        parts,
    )
    assert parse_features(str(source)) == source


def test_a_colon_is_part_of_the_name_of_an_existing_file(folder):
    (folder / "cohort:2").mkdir()
    assert parse_features("wm=cohort:2") == FeatureSource("wm", folder / "cohort:2")
    assert parse_features("wm=cohort:2:wm2bk").parts == ("wm2bk",)
    assert parse_features("wm=cohort:3") == FeatureSource("wm", folder / "cohort", ("3",))


@pytest.mark.parametrize(
    "value", ["/store", "=/store", "wm=", "w m=/store", 3, ["wm"], ["wm", "/a", "ab"], ["wm", "/a", [1]]]
)
def test_a_source_of_another_form_is_refused(value):
    with pytest.raises((UserError, ValueError)):
        parse_features(value)
    with pytest.raises(UserError, match="--features"):
        settings(features=[value])


def test_a_settings_file_may_list_name_path_and_parts():
    assert settings(features=[["wm", "/store", ["wm2bk"]]]) == settings()
    assert settings(features="wm=/store:wm2bk") == settings()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": []}, "--features: the list is empty"),
        ({"target": []}, "--target: the list is empty"),
        ({"features": ["a=/x", "a=/y"]}, "two sources are named a"),
        ({"features": ["confounds=/x"]}, "confounds is the name of a baseline"),
        ({"confounds": ["age"]}, "age is both a target and a confound"),
        ({"splits": "/s.tsv", "leave_one_site_out": "site"}, "both determine the folds"),
        ({"combat": "site", "leave_one_site_out": "site"}, "ComBat cannot estimate its effect"),
    ],
)
def test_options_that_contradict_each_other_are_refused(changes, words):
    with pytest.raises(UserError, match=words):
        settings(**changes)

from hypothesis import given

from bids_deeptaskgen.bids.filenames import join_name, parse_name, same_label, sort_entities
from tests.strategies import entity_lists, runs


@given(entity_lists())
def test_a_name_taken_apart_and_joined_again_is_the_name_in_the_order_of_bids(entities):
    name = parse_name(f"{join_name(entities)}_bold.nii.gz")
    assert name.entities == sort_entities(entities)
    assert sorted(name.entities) == sorted(entities)
    assert (name.suffix, name.extension) == ("bold", ".nii.gz")


@given(entity_lists())
def test_the_order_of_entities_does_not_depend_on_the_order_they_come_in(entities):
    known = [pair for pair in entities if pair[0] in ("sub", "task", "run", "space", "desc")]
    assert sort_entities(known) == sort_entities(known[::-1])


@given(runs())
def test_runs_are_the_same_whatever_zeros_lead_them(run):
    assert same_label(run, run.lstrip("0"))
    assert same_label(run, "00" + run)
    assert not same_label(run, run + "0")


def test_labels_that_are_no_numbers_are_compared_as_they_stand():
    assert not same_label("pre", "Pre")
    assert not same_label("1a", "01a")


def test_an_extension_begins_at_the_first_dot_and_words_without_a_dash_are_no_entities():
    name = parse_name("sub-01_task-rest_odd_space-fsLR_den-91k_bold.dtseries.nii")
    assert (name.suffix, name.extension) == ("bold", ".dtseries.nii")
    assert name.entities == (("sub", "01"), ("task", "rest"), ("space", "fsLR"), ("den", "91k"))
    assert (parse_name("README").suffix, parse_name("README").extension) == ("README", "")

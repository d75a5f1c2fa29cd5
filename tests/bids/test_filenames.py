from hypothesis import given

from bids_deeptaskgen.bids.filenames import join_name, parse_name, same_label, sort_entities
from tests.strategies import entity_lists, runs


@given(entity_lists())
def test_parsing_inverts_joining_in_the_order_of_bids(entities):
    name = parse_name(f"{join_name(entities)}_bold.nii.gz")
    assert name.entities == sort_entities(entities)
    assert sorted(name.entities) == sorted(entities)
    assert (name.suffix, name.extension) == ("bold", ".nii.gz")


@given(entity_lists())
def test_sorted_entities_do_not_depend_on_their_input_order(entities):
    pairs = [pair for pair in entities if pair[0] in ("sub", "task", "run", "space", "desc")]
    assert sort_entities(pairs) == sort_entities(pairs[::-1])


@given(runs())
def test_leading_zeros_of_runs_are_ignored(run):
    assert same_label(run, run.lstrip("0"))
    assert same_label(run, "00" + run)
    assert not same_label(run, run + "0")


def test_labels_that_are_not_numbers_are_compared_exactly():
    assert not same_label("pre", "Pre")
    assert not same_label("1a", "01a")


def test_extension_starts_at_first_dot_and_parts_without_dash_are_no_entities():
    name = parse_name("sub-01_task-rest_odd_space-fsLR_den-91k_bold.dtseries.nii")
    assert (name.suffix, name.extension) == ("bold", ".dtseries.nii")
    assert name.entities == (("sub", "01"), ("task", "rest"), ("space", "fsLR"), ("den", "91k"))
    assert (parse_name("README").suffix, parse_name("README").extension) == ("README", "")

"""Names of exported variables."""

from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.cohort_store.exports.names import safe_names


@given(st.lists(st.text(), max_size=8), st.lists(st.text("aAbB_2", max_size=4), max_size=3))
def test_names_are_different_legal_and_not_reserved_whatever_the_letter_case(names, reserved):
    result = safe_names([*names, *names], reserved)
    assert len({name.lower() for name in result}) == 2 * len(names)
    assert not {name.lower() for name in result} & {name.lower() for name in reserved}
    for name in result:
        assert name.replace("_", "a").isascii()
        assert name.replace("_", "a").isalnum()
        assert len(name) <= 100

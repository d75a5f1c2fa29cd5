from benchmarks.schedulers.__main__ import Measurement, checksum_of, page


def test_the_page_has_the_time_of_a_participant_and_the_number_of_tasks():
    text = page([Measurement("Linear", 191.4, 2600, "abcdef" * 10)], {"cpus": 2}, 200, 50)
    assert "| Linear | 191 s | 0.96 s | 2,600 | abcdefabcdef |" in text
    assert "4 tasks" in text
    assert "cpus 2" in text


def test_the_checksum_is_that_of_names_and_contents_of_participants(tmp_path):
    def write(name, participant, text):
        path = tmp_path / name / participant / "func" / "map.txt"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        (tmp_path / name / "logs.txt").write_text(name)
        return checksum_of(tmp_path / name)

    first = write("a", "sub-01", "1")
    assert first[0] == 1
    assert write("b", "sub-01", "1") == first
    assert write("c", "sub-02", "1") != first
    assert write("d", "sub-01", "2") != first

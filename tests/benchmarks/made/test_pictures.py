from PIL import Image

from benchmarks.made.pictures import write_picture


def test_a_picture_is_as_large_as_a_photograph_and_its_own(tmp_path):
    first, second = (write_picture(tmp_path / f"{number}.jpg", number) for number in (0, 1))
    with Image.open(first) as picture:
        assert picture.size == (500, 375)
    assert 60_000 < first.stat().st_size < 130_000
    assert first.read_bytes() != second.read_bytes()

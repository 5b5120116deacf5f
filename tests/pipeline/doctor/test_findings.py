from pipeline.doctor.findings import missing, ok, warning


def test_a_finding_stands_above_its_remedy():
    assert str(missing("x: gone", "bring it")) == "missing  x: gone\n         -> bring it"
    assert str(warning("z", "look")) == "warning  z\n         -> look"
    assert str(ok("y")) == "ok       y"

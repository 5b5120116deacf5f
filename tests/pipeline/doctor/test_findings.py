from pipeline.doctor.findings import missing, ok


def test_a_finding_stands_above_its_remedy():
    assert str(missing("x: gone", "bring it")) == "missing  x: gone\n         -> bring it"
    assert str(ok("y")) == "ok       y"

import csv
import io
import subprocess
from shutil import which

import pytest

from pipeline.reporting.document import Paragraph, Section, Table
from pipeline.tables.table_files import tables_of, to_csv, to_latex

EVIL = 'a,b "c" & 50 % $x_1$ #{~}^ \\ |<>'
TABLE = Table(("row", EVIL), [(EVIL, "57.2 +-1.7"), ("x", "")], frozenset({1}))


def test_csv_gives_every_cell_back():
    text = to_csv(TABLE)
    assert list(csv.reader(io.StringIO(text))) == [["row", EVIL], *map(list, TABLE.rows)]
    assert (text.count("\n"), text.count("\r")) == (3, 0)


def test_latex_has_a_column_per_column_and_escapes_what_is_special():
    lines = to_latex(TABLE).splitlines()
    assert lines[0] == r"\begin{tabular}{lr}"
    assert lines[2].startswith("row & ")
    assert lines[4].endswith(r"& 57.2 $\pm$1.7 \\")
    assert r"50 \% \$x\_1\$ \#\{\textasciitilde{}\}\textasciicircum{} \textbackslash{}" in lines[4]
    assert lines[5] == r"\textbf{x} &  \\"
    rules = [lines[number] for number in (1, 3, 6, 7)]
    assert rules == [r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}"]
    assert len(lines) == 8


@pytest.mark.skipif(which("pdflatex") is None, reason="no pdflatex here")
def test_latex_can_be_set(tmp_path):
    text = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "a.tex").write_text(text + to_latex(TABLE) + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_a_tables_file_is_called_as_its_section():
    sections = [
        Section("Table 3: a & b", [Paragraph("x"), TABLE, Paragraph("y")]),
        Section("No", []),
    ]
    assert tables_of(sections) == {"table_3_a_b": TABLE}

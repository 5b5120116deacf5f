"""Copy a trained model into a folder one can hand on: `camground pack`.

The folder holds the grounder, detector, tagger and noun scorer, what of params.yaml running them
needs, and a model card with figures and licences. `Grounder.load(FOLDER)` and
`camground predict FOLDER` take it on any machine, without this project's data.
"""

import argparse
import sys
from pathlib import Path

from pipeline.serving.packing import pack


def main() -> None:
    """Pack the model that the command line names, and print the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="results/<dataset>/<variant>")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="a new folder")
    options = parser.parse_args()
    pack(options.model, options.to)
    sys.stdout.write(f"{options.to}\n")


if __name__ == "__main__":
    main()

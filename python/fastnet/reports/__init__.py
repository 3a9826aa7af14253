"""Reports of models, to read in a browser: ``pip install "fastnet-nn[report]"``.

`write_report` measures a model on samples with labels and writes what it finds to one HTML file.
"""

from fastnet.reports.report import write_report

__all__ = ["write_report"]

"""Reports on models, as HTML for a browser: ``pip install "fastnet-nn[report]"``.

`write_report` evaluates a model on labeled samples and writes the results to one HTML file.
"""

from fastnet.reports.report import write_report

__all__ = ["write_report"]

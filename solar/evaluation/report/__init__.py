"""Reports: JSON, Markdown, pages, and two of them side by side."""

from solar.evaluation.report.charts import COLOURS, line_chart
from solar.evaluation.report.compare import compare, paired_bootstrap
from solar.evaluation.report.published import published_patches
from solar.evaluation.report.report import LabelledHit, Report, Result, read_report
from solar.evaluation.report.table import Table, figure, percent
from solar.evaluation.report.writing import PatchReport

__all__ = [
    "COLOURS",
    "LabelledHit",
    "PatchReport",
    "Report",
    "Result",
    "Table",
    "compare",
    "figure",
    "line_chart",
    "paired_bootstrap",
    "percent",
    "published_patches",
    "read_report",
]

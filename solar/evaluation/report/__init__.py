"""Reports: JSON, Markdown, pages."""

from solar.evaluation.report.charts import COLOURS, line_chart
from solar.evaluation.report.report import LabelledHit, Report, Result, read_report
from solar.evaluation.report.table import Table, figure, percent
from solar.evaluation.report.writing import write_files, write_report_page

__all__ = [
    "COLOURS",
    "LabelledHit",
    "Report",
    "Result",
    "Table",
    "figure",
    "line_chart",
    "percent",
    "read_report",
    "write_files",
    "write_report_page",
]

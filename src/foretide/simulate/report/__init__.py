"""What a backtest came to: numbers for programs, and one page of HTML for people."""

from foretide.simulate.report.page import write_report
from foretide.simulate.report.summary import summarise, summary

__all__ = ["summarise", "summary", "write_report"]

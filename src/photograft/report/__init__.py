"""A run, a comparison, a diagnosis or an explanation, made into one page or picture for people.

May import `runs` and what is below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.report.comparison_page import write_comparison_page as write_comparison_page
    from photograft.report.doctor_page import write_doctor_report as write_doctor_report
    from photograft.report.run_page import write_run_page as write_run_page

__getattr__, __dir__, __all__ = hand_out(
    __name__,
    {
        "write_comparison_page": "comparison_page",
        "write_doctor_report": "doctor_page",
        "write_run_page": "run_page",
    },
)

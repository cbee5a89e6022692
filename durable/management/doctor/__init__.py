"""The doctor: find the problems of a running system, describe them, repair the safe ones."""

from durable.management.doctor.findings import ERROR, INFO, WARNING, Finding
from durable.management.doctor.rounds import Report, diagnose, examine

__all__ = ["ERROR", "INFO", "WARNING", "Finding", "Report", "diagnose", "examine"]

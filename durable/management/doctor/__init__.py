"""What can be wrong in a running system, found and put into words; what is safe is repaired."""

from durable.management.doctor.findings import ERROR, INFO, WARNING, Finding
from durable.management.doctor.rounds import Report, diagnose, examine

__all__ = ["ERROR", "INFO", "WARNING", "Finding", "Report", "diagnose", "examine"]

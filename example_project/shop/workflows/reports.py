"""A report: every morning at nine, as the clocks of New York show it."""

from __future__ import annotations

from durable import Cron, Data, Workflow, WorkflowMeta, step
from example_project.shop import services


class DailySalesReport(Workflow):
    """One execution for each day, however many workers there are, summer time or not."""

    class Meta(WorkflowMeta):
        schedules = [Cron("0 9 * * *", timezone="America/New_York")]

    @step
    def generate(self, request: Data) -> Data:
        return {"report": services.sales_summary(until=self.now())}

    @step
    def distribute(self, data: Data) -> None:
        services.send_report(data["report"], to="sales@example.com")
        services.post_summary(data["report"], channel="#sales")

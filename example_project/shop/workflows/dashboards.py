"""A dashboard: three things fetched side by side, then put together."""

from __future__ import annotations

from durable import Data, Workflow, assign, chain, parallel, step
from example_project.shop import services


class BuildDashboard(Workflow):
    """Each branch works on its own copy of the data; what the branches have added is merged."""

    @step
    def init(self, request: Data) -> Data:
        return {"user_id": request["user_id"]}

    @step
    def user(self, data: Data) -> Data:
        return assign(data, user=services.find_user(data["user_id"]))

    @step
    def orders(self, data: Data) -> Data:
        return assign(data, orders=services.recent_orders(data["user_id"]))

    @step
    def notifications(self, data: Data) -> Data:
        return assign(data, notifications=services.unread_notifications(data["user_id"]))

    @step
    def render(self, data: Data) -> Data:
        page = services.show_dashboard(
            data["user_id"], data["user"], data["orders"], data["notifications"]
        )
        return assign(data, dashboard=page)

    flow = chain(init, parallel(user, orders, notifications), render)

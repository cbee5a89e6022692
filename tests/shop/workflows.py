"""The workflow that shows that an installed app's workflows.py is found."""

from durable import Data, Workflow, step


class Ping(Workflow):
    """One step, which answers."""

    @step
    def pong(self, data: Data) -> Data:
        """Say that it ran."""
        return {**data, "pong": True}

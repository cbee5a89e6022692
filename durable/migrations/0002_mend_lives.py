"""Clear what older versions left in rows whose status gives it no meaning."""

from typing import Any

from django.db import migrations
from django.db.models import Q


def mend(apps: Any, schema_editor: Any) -> None:
    execution = apps.get_model("durable", "Execution")
    rows = execution._base_manager.using(schema_editor.connection.alias)
    rows.exclude(status="blocked").exclude(blocked_by="").update(blocked_by="")
    rows.exclude(status="paused").filter(resume_at__isnull=False).update(resume_at=None)
    asked = rows.exclude(status__in=("pending", "running", "waiting"))
    asked.filter(pause_requested=True).update(pause_requested=False)
    turnless = rows.filter(~Q(status__in=("pending", "running")), released=False)
    turnless.update(released=True)


class Migration(migrations.Migration):
    dependencies = [("durable", "0001_initial")]

    operations = [migrations.RunPython(mend, migrations.RunPython.noop)]

"""The database refuses changes of audit entries."""

from django.db import migrations

from durable.models import audit_trigger


def install(apps, schema_editor):
    audit_trigger.install(schema_editor.connection)


def remove(apps, schema_editor):
    audit_trigger.remove(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ("durable", "0009_people_by_id"),
    ]

    operations = [
        migrations.RunPython(install, remove),
    ]

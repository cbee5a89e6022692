"""The people of a question by id, beside their names; older rows have none and keep their names."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("durable", "0007_retention_by_execution"),
    ]

    operations = [
        migrations.AddField(
            model_name="wait",
            name="people",
            field=models.JSONField(blank=True, null=True),
        ),
    ]

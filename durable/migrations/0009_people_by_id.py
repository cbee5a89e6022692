"""The people of a question by id, and what closes a link: both only add a column.

Older questions have no ids and go by names; older links are good until their time is over.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("durable", "0008_scopes_and_tags"),
    ]

    operations = [
        migrations.AddField(
            model_name="wait",
            name="people",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="answerlink",
            name="account",
            field=models.CharField(editable=False, max_length=64, null=True),
        ),
    ]

"""Users may live in another database: no constraint binds their keys any more.

The first migration made constraints until this one came; databases that have them lose them here.
"""

from django.conf import settings
from django.db import migrations, models

import durable.models.base

KEYS = (("auditentry", "actor"), ("wait", "by"), ("answerlink", "recipient"))


def drop_constraints(apps, schema_editor):
    for model_name, field_name in KEYS:
        model = apps.get_model("durable", model_name)
        if schema_editor.connection.vendor == "sqlite":
            schema_editor._remake_table(model)  # as its state says: without
            continue
        column = model._meta.get_field(field_name).column
        for name in schema_editor._constraint_names(model, [column], foreign_key=True):
            schema_editor.execute(schema_editor._delete_fk_sql(model, name))


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("durable", "0005_children_cancelled_with_their_parent"),
    ]

    operations = [
        migrations.RunPython(drop_constraints, migrations.RunPython.noop),
        *(
            migrations.AlterField(
                model_name=model_name,
                name=field_name,
                field=models.ForeignKey(
                    blank=True,
                    db_constraint=False,
                    null=True,
                    on_delete=durable.models.base.forget_user,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            )
            for model_name, field_name in KEYS
        ),
    ]

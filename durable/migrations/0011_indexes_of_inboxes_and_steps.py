"""An index for the inbox of an execution; none beside a unique one that begins alike."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('durable', '0010_audit_entries_stay'),
    ]

    operations = [
        migrations.AlterField(
            model_name='record',
            name='execution',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='records', to='durable.execution'),
        ),
        migrations.AlterField(
            model_name='steprun',
            name='execution',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='steps_and_compensations', to='durable.execution'),
        ),
        migrations.AlterField(
            model_name='wait',
            name='execution',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='waits', to='durable.execution'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('status__in', ('pending', 'kept'))), fields=['execution', 'created_at', 'id'], name='durable_event_inbox'),
        ),
    ]

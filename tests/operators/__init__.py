"""What operators do: cancel, pause, retry, rerun, queues, retention, audit."""

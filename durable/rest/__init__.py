"""The REST door: JSON over HTTP for programs, and webhooks for other companies' programs."""

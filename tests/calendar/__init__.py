"""Cron and event schedules: slots, catching up, overlap, several workers."""

"""Shared by the commands: arguments, output, the dossier of an execution, the doctor.

May import: doors, showing, drawing, the worker and everything below.
"""

"""Requests and answers as serializers, and the OpenAPI document of both.

May import: base.
"""

"""The shapes of requests and answers, and the OpenAPI document of both.

May import: base.
"""

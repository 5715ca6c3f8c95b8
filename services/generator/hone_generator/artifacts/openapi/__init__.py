"""OpenAPI 3.1: operations and types that a model states or facts say, rendered, read and checked.

``schema-3.1.json`` is the OpenAPI Initiative's schema of 2022-10-07, under the Apache License 2.0.
"""

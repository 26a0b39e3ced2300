"""The page at `/docs`: the OpenAPI document for people, with a form to try each address.

Made on the server from the document alone; its script only sends what the form holds. May import Starlette and Jinja2.
Start reading at `routes.py`.
"""

from serving.docs.routes import docs

__all__ = ["docs"]

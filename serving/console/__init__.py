"""The web console: pages made on the server from measurements, kept live by one stream each.

It may import `serving.measurements`, Starlette and Jinja2; it reads no server itself. Start reading at `routes.py` (the
addresses), then `shell.py` (how a page is rendered whole and in parts), then `flow_page.py` with `templates/flow.html`.
"""

from serving.console.login import Login
from serving.console.page import Page, ProductPage
from serving.console.routes import console

__all__ = ["Login", "Page", "ProductPage", "console"]

"""The local stack without Docker: a real Kafka, a real Redis and our schema registry as processes of this machine.

May import every room. Start reading at `stack.py` (what `millrace up` does), then `server.py` (what a part is) and
`artefacts.py` (where the programs come from).
"""

from millrace.stack.errors import StackError

try:
    from millrace.stack.stack import Stack
except ModuleNotFoundError as error:
    raise StackError(
        f"The local stack needs {error.name}, which is not installed; run: pip install 'millrace[stack]'."
    ) from error

__all__ = ["Stack", "StackError"]

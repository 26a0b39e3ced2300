"""A Faust app for the tests, run as a process: it repeats numbers, and at one of them it fails or waits for ever."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import millrace as mr

NAME, TROUBLE = os.environ["NAME"], os.environ.get("TROUBLE", "")


class Number(mr.Event, topic=f"{NAME}-numbers", key="key"):
    key: str
    number: int


class Echo(mr.Event, topic=f"{NAME}-echoes", key="key"):
    key: str
    number: int


app = mr.faust_app(NAME, consumer_group_instance_id="one", broker_commit_interval=0.1)
echoes = app.events(Echo)


@app.agent(app.events(Number), concurrency=2)
async def repeat(stream: Any) -> None:
    async for number in stream:
        if f"fails at {number.number}" == TROUBLE:
            raise ArithmeticError(number.number)
        if f"waits at {number.number}" == TROUBLE:
            await asyncio.Event().wait()
        await echoes.send(value=Echo(number.key, number.number))


if __name__ == "__main__":
    app.run()

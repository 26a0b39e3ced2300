"""Puts the parts of deployments together over a platform."""

from __future__ import annotations

from functools import partial

from learners.placement import EVERY
from millrace.deployments.errors import DeploymentConflict, DeploymentsUnavailable
from millrace.deployments.receiver import Own, Receiver
from millrace.deployments.report import Report, report_of
from millrace.deployments.shelf import Shelf
from millrace.deployments.store import Store
from millrace.platform import Platform, placement
from millrace.product import Product
from millrace.reading import forget_readers
from millrace.settings import Settings, SettingsError
from schemas.errors import IncompatibleSchema, MillraceError
from schemas.graph import Graph
from serving.access import is_here
from serving.products import Served
from storage import Catalogue


def must_take_deployments(settings: Settings) -> None:
    """Check that products can be deployed here. Raises SettingsError: that is off."""
    if not settings.deployments:
        raise SettingsError(
            "Deployments are off: name the folder of a data product, or set deployments = true in millrace.toml "
            "(MILLRACE_DEPLOYMENTS=true), which lets whoever has a key with the scope deploy run code here."
        )


def must_ask_for_keys(settings: Settings, keyed: bool) -> None:
    """Check that strangers cannot deploy.

    Raises:
        SettingsError: others reach the service, and it asks nobody for a key.
    """
    if settings.deployments and not keyed and not is_here(settings.service_host):
        raise SettingsError(
            f"Deployments are on, the service would listen on {settings.service_host or 'every address'}, and there is "
            "no key: whoever reaches it could run code in it. Make one: millrace keys create ci --scope deploy."
        )


def store_of(platform: Platform) -> Store:
    """What is deployed, as this machine has it."""
    return Store(platform.deployments, Shelf(platform.settings.state_dir / "deployments"))


def receiver_of(platform: Platform, catalogue: Catalogue, product: Product) -> Receiver:
    """A service's part in it, beside the product that it was started with.

    Raises:
        LearnerRefused, ProductError: that product's learners cannot run, so that their names cannot be told.
    """
    settings = platform.settings
    own = Own(product.name, report_of(product, settings).names) if product.name else None
    return Receiver(
        store_of(platform),
        served=partial(served_of, settings=settings),
        prepare=partial(_prepare, platform),
        storages=lambda: [item.storage for item in catalogue.storages()],
        own=own,
        gone=partial(forget_readers, platform),
    )


def served_of(product: Product, settings: Settings) -> Served:
    """What the service serves of a product. Raises ProductError: its table [storages] makes no sense."""
    placed = {name: place for name, place in placement(product, settings).product.items() if name != EVERY}
    experiments = tuple(product.experiments)
    return Served(product.endpoints, product.event_types, product.goals, placed, experiments, product.learned)


def _prepare(platform: Platform, report: Report) -> None:
    """Register what is compatible, or nothing. Blocks."""
    try:
        event_types = report.event_types
        broken = [problem for item in event_types for problem in platform.registry.check(item, readers=False)]
        graph, own = Graph.of(platform.readers.documents()), report.names.learners  # these read by what comes now
        found = [item for kind in event_types for item in graph.breaks(kind.topic, kind.schema)]
        broken += [str(item) for item in found if item.reader.learner not in own]
        if broken:
            raise DeploymentConflict(*broken)
        for item in event_types:
            platform.prepare_topic(item, report.topics[item.topic].wanted, readers=False)
    except DeploymentConflict:
        raise
    except IncompatibleSchema as error:
        raise DeploymentConflict(str(error)) from error
    except MillraceError as error:
        raise DeploymentsUnavailable(f"Event types cannot be registered now: {error}") from error

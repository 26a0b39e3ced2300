"""An OpenSearch with its security plugin: TLS alone, passwords, and the roles of docs/roles.md."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from millrace.stack.artefacts import keeping, pinned
from millrace.stack.search import SearchServer
from millrace.stack.search_home import SearchHome
from millrace.stack.unprivileged import give
from tests.storage.certificates import Authority
from tests.storage.guarded import PASSWORD, ROLES

_PLUGIN = "opensearch-security"
_PINS = Path(__file__).parent / "opensearch-security-3.4.0.txt"
_MODULES = {"transport-netty4": "org.opensearch.transport.Netty4ModulePlugin"}
_HOME = SearchHome(pinned("OpenSearch 3.4.0 with security", _PINS), "3.4.0", _MODULES, _PLUGIN)
"""There is no 3.6.0 of the plugin among Maven's artefacts, and no k-NN of 3.4.0 that starts with what is there."""

_KINDS = {
    "action_groups": "actiongroups",
    "allowlist": "allowlist",
    "audit": "audit",
    "internal_users": "internalusers",
    "nodes_dn": "nodesdn",
    "roles": "roles",
    "roles_mapping": "rolesmapping",
    "tenants": "tenants",
}
_LOGGING_IN = """\
_meta: {type: config, config_version: 2}
config:
  dynamic:
    authc:
      password:
        http_enabled: true
        order: 0
        http_authenticator: {type: basic, challenge: true}
        authentication_backend: {type: intern}
"""
_AUDIT = "config: {enabled: false}\n"
_ALLOWLIST = "config: {enabled: false, requests: {}}\n"


class GuardedSearch:
    """A real server that knows no user but those of the docs; its administrator has a certificate.

    Attributes:
        authority: has signed its certificate, and its administrator's.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.authority = Authority(folder / "certificates", "authority")
        self._certificate = self.authority.signed("node", "DNS:localhost")
        self._administrator = self.authority.signed("administrator")
        self._server = SearchServer(folder / "server", port)
        self._config = self._server.folder.absolute() / "config"
        self._log = folder / "server.log"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, wait until it asks for passwords, and set up the roles of the docs.

        Raises:
            StackError: it cannot be had.
        """
        _HOME.fetch(show=False)
        _stand_alone()
        self._server.prepare()
        self._guard()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(_HOME.command(self._config), stdout=log, stderr=subprocess.STDOUT)
        with self.administrator() as client:
            until = time.monotonic() + 600
            while not _is_up(client):
                going = self._process.poll() is None and time.monotonic() < until
                assert going, self._log.read_text("utf-8", errors="replace")[-5_000:]
                time.sleep(0.1)
            for path, body in statements():
                client.put(f"/{path}", json=body).raise_for_status()

    def url(self, user: str, password: str = PASSWORD, host: str = "localhost") -> str:
        """The address for a user, who trusts its authority."""
        return f"https://{user}:{password}@{host}:{self._port}?ssl_ca_certs={self.authority.file}"

    @contextmanager
    def administrator(self) -> Iterator[httpx.Client]:
        """Who may do everything."""
        with self._client(self._administrator) as client:
            yield client

    @contextmanager
    def user(self, name: str) -> Iterator[httpx.Client]:
        """A client of a user of the docs."""
        with self._client() as client:
            client.auth = httpx.BasicAuth(name, PASSWORD)
            yield client

    def indices(self) -> set[str]:
        """All that there are, but for the server's own."""
        with self.administrator() as client:
            found = client.get("/_cat/indices?format=json").raise_for_status().json()
        return {item["index"] for item in found if not item["index"].startswith(".")}

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _client(self, certificate: tuple[Path, Path] | None = None) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if certificate is not None:
            context.load_cert_chain(*certificate)
        return httpx.Client(base_url=f"https://localhost:{self._port}", verify=context, trust_env=False, timeout=30)

    def _guard(self) -> None:
        """What it is told beside what every server is: certificates, and to begin with no users and roles."""
        certificate, key = (file.read_bytes() for file in self._certificate)
        (self._config / "node.crt").write_bytes(certificate)
        (self._config / "node.key").write_bytes(key)
        (self._config / "authority.crt").write_bytes(self.authority.file.read_bytes())
        files = {
            "pemcert_filepath": "node.crt",
            "pemkey_filepath": "node.key",
            "pemtrustedcas_filepath": "authority.crt",
        }
        settings: dict[str, Any] = {
            "transport.port": 0,
            "transport.ssl.enforce_hostname_verification": "false",
            **{
                f"plugins.security.ssl.{side}.{name}": file
                for side in ("http", "transport")
                for name, file in files.items()
            },
            "plugins.security.ssl.http.enabled": "true",
            "plugins.security.ssl.http.clientauth_mode": "OPTIONAL",
            "plugins.security.authcz.admin_dn": '["CN=administrator"]',
            "plugins.security.allow_default_init_securityindex": "true",
        }
        with (self._config / "opensearch.yml").open("a", encoding="utf-8") as file:
            file.write("".join(f"{name}: {value}\n" for name, value in settings.items()))
        first = self._config / _PLUGIN
        first.mkdir()
        for name, kind in _KINDS.items():
            more = {"audit": _AUDIT, "allowlist": _ALLOWLIST}.get(name, "")
            (first / f"{name}.yml").write_text(f"_meta: {{type: {kind}, config_version: 2}}\n{more}")
        (first / "config.yml").write_text(_LOGGING_IN)
        give(self._server.folder.absolute())


def statements() -> list[tuple[str, Any]]:
    """Paths and bodies that docs/roles.md tells to PUT, with this test's password."""
    [block] = re.findall(r"^## OpenSearch\n.*?```\n(.*?)```", ROLES.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    found = re.findall(r"^PUT (\S+)\n(.*?)(?=^PUT |\Z)", block, re.DOTALL | re.MULTILINE)
    return [(path, json.loads(body.replace("PASSWORD", PASSWORD))) for path, body in found]


def _stand_alone() -> None:
    """The plugin extends a module that is no Maven artefact; what it adds to that is not used here."""
    descriptor = _HOME.place / "plugins" / _PLUGIN / "plugin-descriptor.properties"
    text = descriptor.read_text("utf-8")
    alone = re.sub(r"^extended\.plugins=.*", "extended.plugins=", text, flags=re.MULTILINE)
    if alone != text:
        with keeping(descriptor) as file:
            file.write_text(alone, "utf-8")


def _is_up(client: httpx.Client) -> bool:
    try:
        answer = client.get("/_plugins/_security/health")
        return answer.status_code == 200 and answer.json()["status"] == "UP"
    except (httpx.HTTPError, ValueError):
        return False

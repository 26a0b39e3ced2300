// The console's own script: theme, keys, filters, and the one live stream of a page. No library.

// Theme: follow the system until the reader chooses; the choice stays in this browser. Set before the first paint.
const root = document.documentElement;
const remembered = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private window: this page only */ } };
const theme = new URLSearchParams(location.search).get("theme") ?? remembered("theme");
if (theme === "light" || theme === "dark") root.dataset.theme = theme;

addEventListener("DOMContentLoaded", () => {
  startTheme();
  startKeys();
  startFilters();
  startLive();
  startVisits();
});

function startTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const button = document.querySelector("#theme");
  const label = () => { button.textContent = dark() ? "Light theme" : "Dark theme"; };
  button.onclick = () => {
    root.dataset.theme = dark() ? "light" : "dark";
    remember("theme", root.dataset.theme);
    label();
  };
  system.onchange = label;
  label();
}

// Keys: / searches, g f goes to Flow, ? shows the list. They can be switched off there (WCAG 2.1.4).
function startKeys() {
  const dialog = document.querySelector("#keys"), on = document.querySelector("#keys-on");
  on.checked = remembered("keys") !== "off";
  on.onchange = () => remember("keys", on.checked ? "on" : "off");
  const show = () => { if (!dialog.open) dialog.showModal(); };
  document.querySelector("#help").onclick = show;
  let before = "";
  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, [contenteditable]");
    if (typing || dialog.open || !on.checked || event.ctrlKey || event.metaKey || event.altKey) return;
    const pressed = before + event.key;
    before = event.key === "g" ? "g" : "";
    if (event.key === "/") { event.preventDefault(); search(); }
    else if (event.key === "?") { event.preventDefault(); show(); }
    else if (pressed === "gf") location.href = `${document.body.dataset.base}/flow`;
  });
}

function search() {
  const field = document.querySelector("[data-search]");
  if (field) { field.focus(); field.select(); }
  else location.href = `${document.body.dataset.base}/flow#event`;
}

// A filter hides the rows of its list that lack one of the words; it holds for rows that come later.
function startFilters() {
  for (const field of document.querySelectorAll("[data-filters]")) {
    const list = document.querySelector(field.dataset.filters);
    const apply = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of list.querySelectorAll("tbody tr")) {
        const text = row.textContent.toLowerCase();
        row.hidden = words.some((word) => !text.includes(word));
      }
    };
    field.oninput = apply;
    new MutationObserver(apply).observe(list, { childList: true, subtree: true, characterData: true });
  }
}

// Live: an event's name is a part of the page, its data that part's HTML. Hidden tabs disconnect; a broken stream says
// what time is shown and when it is tried again; nothing moves while it is paused.
let reconnect = () => {};
function startLive() {
  const state = document.querySelector("#live"), words = document.querySelector("#live-words");
  const retry = document.querySelector("#live-retry"), pause = document.querySelector("#pause");
  let source = null, paused = false, failures = 0, timer = 0, watch = 0;

  function say(kind, name, what, more = "") {
    if (state.textContent !== name) { state.className = `state ${kind}`; state.textContent = name; }
    words.textContent = what;
    retry.textContent = more;
  }
  function heard() {
    failures = 0;
    clearTimeout(watch);
    watch = setTimeout(broken, 8000);
    say("ok", "Live", "as of");
  }
  function connect() {
    stop();
    source = new EventSource(document.body.dataset.liveFrom);
    source.onerror = broken;
    for (const part of document.querySelectorAll("[data-live]")) listen(part.dataset.live, part);
    watch = setTimeout(broken, 8000);
  }
  function listen(name, part) {
    source.addEventListener(name, (event) => { heard(); update(part, event.data); });
  }
  function stop() {
    clearTimeout(watch);
    clearInterval(timer);
    source?.close();
    source = null;
  }
  function broken() {
    stop();
    let left = Math.min(15, 2 ** failures++);
    const count = () => {
      say("bad", "Not live", "showing", `, trying again in ${left} s`);
      if (left-- <= 0) connect();
    };
    count();
    timer = setInterval(count, 1000);
  }
  pause.onclick = () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Resume" : "Pause";
    if (paused) { stop(); say("off", "Paused", "showing"); } else connect();
  };
  addEventListener("visibilitychange", () => {
    if (document.hidden) stop(); else if (!paused) connect();
  });
  addEventListener("pagehide", stop);
  reconnect = () => { if (source) connect(); };
  if (!document.hidden) connect();
}

function update(part, html) {
  const made = document.createElement("template");
  made.innerHTML = html;
  if (part.querySelector("[data-revisit]") && !made.content.querySelector("[data-revisit]"))
    visit(location.href, {}, false).catch(() => location.reload());  // the page was sent before anything was known
  if (part.querySelector(".wait")) part.replaceChildren(made.content);
  else morph(part, made.content);
}

// Change `old` into `fresh` in place, so that focus, pointer, selection and open details stay where they are. Children
// with a data-key are matched by it. A list under pointer or focus keeps its order; it is sorted when it is let go.
function morph(old, fresh) {
  const keyed = new Map([...old.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  let wanted = [...fresh.childNodes];
  const steady = old.closest?.("[data-steady]");
  if (keyed.size && steady && (steady.matches(":hover") || steady.contains(document.activeElement))) {
    const place = new Map([...keyed.keys()].map((key, index) => [key, index]));
    const rank = (node) => place.get(node.dataset?.key) ?? place.size;
    wanted = wanted.filter((node) => node.nodeType === 1).sort((a, b) => rank(a) - rank(b));
  }
  let at = old.firstChild;
  for (const node of wanted) {
    let match = node.dataset?.key ? keyed.get(node.dataset.key) : at;
    if (match && (match.nodeName !== node.nodeName || (!node.dataset?.key && match.dataset?.key))) match = null;
    if (!match) { old.insertBefore(node, at); continue; }
    if (match === at) at = at.nextSibling; else old.insertBefore(match, at);
    patch(match, node);
  }
  while (at) { const following = at.nextSibling; at.remove(); at = following; }
}

function patch(old, fresh) {
  if (old.dataset?.keep !== undefined || old.isEqualNode(fresh)) return;
  if (old.nodeType !== 1) { old.nodeValue = fresh.nodeValue; return; }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes])
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS") && !(name === "hidden" && old.nodeName === "TR")) old.removeAttribute(name);
  morph(old, fresh);
}

// Visits: a link or a form with data-visit is fetched, and only what differs of the page is put in place: what was
// typed, opened or focused elsewhere stays. Without this script they are plain links and forms.
function startVisits() {
  addEventListener("click", (event) => {
    const link = event.target.closest("a[data-visit], a[data-closes]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (link.dataset.closes !== undefined) link.closest("dialog").close();
    else visit(link.href).catch(() => location.assign(link.href));
  });
  addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.visit === undefined) return;
    event.preventDefault();
    const values = new URLSearchParams(new FormData(form));
    const posted = form.method === "post";
    form.ariaBusy = "true";
    visit(posted ? form.action : `${form.action}?${values}`, posted ? { method: "POST", body: values } : {})
      .catch((error) => refuse(form, error))
      .finally(() => { form.ariaBusy = null; });
  });
  addEventListener("popstate", () => visit(location.href, {}, false).catch(() => location.reload()));
  showDialogs();
}

async function visit(address, options = {}, remembered = true) {
  const answer = await fetch(address, options);
  if (answer.status === 401) { location.reload(); return; }  // the session is over: where a key is shown, and back
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("#main");
  if (!fresh) throw new Error(page.body.textContent.trim() || `The service answered ${answer.status}.`);
  morph(document.querySelector("#main"), fresh);
  document.title = page.title;
  document.body.dataset.liveFrom = page.body.dataset.liveFrom;
  if (remembered && answer.ok) history.pushState(null, "", answer.url);
  showDialogs();
  show(document.querySelector("[data-focus]") ?? document.querySelector(new URL(address, location.href).hash || null));
  dispatchEvent(new Event("visited"));
  reconnect();
}

// What was asked for: focused, and at the top of the window unless it stands in its upper half.
function show(wanted) {
  wanted?.focus({ preventScroll: true });
  const { top = 0 } = wanted?.getBoundingClientRect() ?? {};
  if (top < 0 || top > innerHeight / 2) wanted.scrollIntoView();
}

function refuse(form, error) {
  const note = form.querySelector("[data-wrong]");
  if (!note) { form.submit(); return; }
  note.hidden = false;
  note.querySelector("#wrong").textContent = `${error.message} Nothing here has changed; it may have been done.`;
}

// A dialog that the server sent open is made modal; closed, by Escape too, the page is the one without it.
function showDialogs() {
  for (const dialog of document.querySelectorAll("dialog[data-modal][open]")) {
    if (dialog.matches(":modal")) continue;
    dialog.removeAttribute("open");
    dialog.showModal();
    dialog.onclose = () => { history.replaceState(null, "", dialog.dataset.back); dialog.remove(); };
  }
}

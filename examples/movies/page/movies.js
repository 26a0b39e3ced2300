// The Movies page: asks the models service as any live service would, over its public HTTP only, and measures how long
// it takes from a click to the first answer that knows of it. `because` in an answer names the viewer's films it used.
const ROOT = document.body.dataset.base.replace(/\/console$/, "");
const SIZE = 8, SHOWN = 30;
const GIVE_UP_MS = 10_000, SLOW_MS = 1_000, BETWEEN_ASKS_MS = 5;

const films = new Map();   // film id -> {title, year, genres}
const lists = new Map();   // implementation ("" = by the experiment) -> {items, decision, ...}
const history = [];        // milliseconds of this visit's clicks, oldest first
let viewer = null, asked = 0, busy = false;

const find = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ms = (value) => (value < 0.5 ? "< 1 ms" : `${Math.round(value).toLocaleString("en")} ms`);

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// --- HTTP ---------------------------------------------------------------------------------------------------------

class Refused extends Error {}

async function post(path, body) {
  let response;
  try {
    response = await fetch(ROOT + path, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    });
  } catch {
    throw new Refused(`The service does not answer (POST ${path}).`);
  }
  const value = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(`POST ${path} was refused with ${response.status}: ${value.detail ?? value.title ?? "no reason given"}`);
  return { value, headers: response.headers };
}

async function recommend(implementation) {
  const { value, headers } = await post(`/v1/recommend${implementation && `/${implementation}`}`, { user: viewer.id, size: SIZE });
  return {
    items: value.items.map((item) => item.id),
    because: value.because ?? [],
    decision: headers.get("millrace-decision"),
    variant: headers.get("millrace-variant"),
    implementation: (headers.get("millrace-implementation") ?? "").split(/[ @/]/)[0],
    fallback: headers.get("millrace-fallback"),
  };
}

async function learnTitles(ids) {
  const unknown = ids.filter((id) => !films.has(id));
  if (!unknown.length) return;
  const { value } = await post("/v1/titles", { items: unknown });
  for (const film of value.films) films.set(film.id, film);
}

// --- viewers ------------------------------------------------------------------------------------------------------

const newViewer = () => ({ id: `visitor-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`, genres: [], ratings: 0, fresh: true });
const nameOf = (who) => (who.fresh ? "New viewer" : `Viewer ${who.id}`);

async function showViewers() {
  let known = [];
  try {
    known = (await post("/v1/viewers", { size: 5 })).value.viewers;
  } catch (error) {
    complain(error, "Viewers cannot be listed; you can still be a new one.");
  }
  const wanted = new URLSearchParams(location.search).get("viewer");
  if (wanted && !known.some((one) => one.id === wanted)) known.unshift({ id: wanted, genres: [], ratings: null });
  const everyone = [...known, newViewer()];
  find("#viewers").replaceChildren(...everyone.map(viewerChoice));
  const chosen = everyone.find((one) => one.id === wanted) ?? everyone[0];
  find(`#viewers input[value="${CSS.escape(chosen.id)}"]`).checked = true;
  await choose(chosen);
}

function viewerChoice(who) {
  const radio = element("input", { type: "radio", name: "viewer", value: who.id });
  radio.onchange = () => choose(who);
  const likes = who.genres.map((genre) => genre.toLowerCase()).join(", ");
  const about = who.fresh ? "no clicks yet" : likes || (who.ratings === null ? "as in the address" : `${who.ratings} ratings`);
  return element("label", {}, radio, `${nameOf(who)} `, element("span", { className: "muted", textContent: about }));
}

async function choose(who) {
  viewer = who;
  lists.clear();
  for (const place of all("[data-viewer]")) place.textContent = who.fresh ? "a new viewer" : `viewer ${who.id}`;
  const address = new URL(location.href);
  if (who.fresh) address.searchParams.delete("viewer"); else address.searchParams.set("viewer", who.id);
  window.history.replaceState(null, "", address);
  find("#clicks").replaceChildren(element("tr", {}, element("td", { colSpan: 6, className: "muted", textContent: "No click in this visit." })));
  await refresh();
}

// --- lists --------------------------------------------------------------------------------------------------------

/** Ask for every list that is not in `fresh`, and show them all; says how many films of each changed place. */
async function refresh(fresh = new Map()) {
  const turn = ++asked, changes = new Map();
  await Promise.all(all("[data-list]").map(async (panel) => {
    const name = panel.dataset.list;
    try {
      const answer = fresh.get(name) ?? (await recommend(name));
      await learnTitles([...answer.items, ...answer.because.slice(0, 3)]);
      if (turn !== asked) return;
      changes.set(name, show(panel, answer, lists.get(name)));
      lists.set(name, answer);
    } catch (error) {
      if (turn === asked) complain(error, "The lists stay as they were.");
    }
  }));
  return changes;
}

/** Draw one list; a film that moved since `before` carries a tag that says so. */
function show(panel, answer, before) {
  let changed = 0;
  const rows = answer.items.map((id, place) => {
    const was = before ? before.items.indexOf(id) : place;
    if (was !== place) changed += 1;
    return filmRow(panel, id, place, was);
  });
  panel.querySelector(".films").replaceChildren(...(rows.length ? rows : [nothing(panel)]));
  about(panel, answer);
  return changed;
}

function filmRow(panel, id, place, was) {
  const film = films.get(id) ?? { title: `Film ${id}`, year: null, genres: [] };
  const words = [film.year, film.genres.slice(0, 2).join(", ").toLowerCase()].filter(Boolean).join(" · ");
  const button = element("button", { type: "button", title: `Watched and liked: ${film.title}` },
    element("span", { className: "rank", textContent: place + 1 }),
    element("span", {}, element("b", { textContent: film.title }), " ", element("span", { className: "muted", textContent: words })));
  if (was !== place) {
    const up = was < 0 || was > place;
    const text = was < 0 ? "new" : `${up ? "up" : "down"} ${Math.abs(was - place)}`;
    button.append(element("span", { className: up ? "tag accent" : "tag", textContent: text }));
  }
  button.dataset.film = id;
  button.onclick = () => click(id, lists.get(panel.dataset.list)?.decision ?? null);
  return element("li", { className: was === place ? "" : "moved" }, button);
}

function nothing(panel) {
  const personal = panel.dataset.list !== "popular_now";
  const lead = personal ? "Too early to tell" : "Nothing is popular yet";
  const text = personal ? "Nothing is known of this viewer. Click a film that you liked, in any list." : "No rating has arrived. The list fills as ratings come.";
  return element("li", { className: "empty" }, element("b", { textContent: lead }), element("p", { className: "muted", textContent: text }));
}

function about(panel, answer) {
  const place = panel.querySelector("[data-about]");
  if (answer.fallback) { place.replaceChildren(element("span", { className: "state warn", textContent: `by fallback: ${answer.fallback}` })); return; }
  if (panel.dataset.list === "popular_now") return;
  const from = answer.because.slice(0, 2).map((id) => films.get(id)?.title ?? id).join(", ");
  const more = answer.because.length > 2 ? ` and ${answer.because.length - 2} more` : "";
  const by = panel.dataset.list || answer.variant || answer.implementation;
  if (panel.dataset.list && answer.items.length && !answer.because.length) {
    place.replaceChildren(element("b", { textContent: "Too early to tell: " }), "no film is known that this viewer likes. Popular films fill the list.");
    return;
  }
  place.replaceChildren(element("code", { textContent: by }), panel.dataset.list ? "" : " · by the experiment", from ? ` · from ${from}${more}` : "");
}

// --- a click ------------------------------------------------------------------------------------------------------

/** Post a rating of 5 stars, then ask until an answer names the film among those it used. */
async function click(film, decision) {
  if (busy) return;
  busy = true;
  find("#lists").setAttribute("aria-busy", "true");
  const at = new Date(), began = performance.now();
  try {
    const taken = await post("/events/ratings", { user: viewer.id, item: film, stars: 5, at: at.toISOString(), decision });
    const acknowledged = performance.now();
    complain(null);
    const { answer, askedAt, answered } = await untilKnown(film, acknowledged);
    const parts = { kafka: acknowledged - began, learned: Math.max(0, askedAt - acknowledged), answered: answered - askedAt };
    const changes = await refresh(new Map([["because_you_watched", answer]]));
    record(at, film, answered - began, parts, changes, position(taken.value));
  } catch (error) {
    complain(error, "The lists stay as they were.");
  } finally {
    busy = false;
    find("#lists").removeAttribute("aria-busy");
  }
}

async function untilKnown(film, since) {
  for (;;) {
    const askedAt = performance.now();
    const answer = await recommend("because_you_watched");
    const answered = performance.now();
    if (answer.because.includes(film)) return { answer, askedAt, answered };
    if (answered - since > GIVE_UP_MS) throw new Refused("Kafka has the click, but no answer knew of it within 10 s; a learner is behind or away.");
    if (answered - since > SLOW_MS) find("#last").textContent = `Kafka has the click; not in an answer yet after ${ms(answered - since)}.`;
    await wait(BETWEEN_ASKS_MS);
  }
}

/** Where Kafka keeps the event, as topic/partition/offset, if the service's answer names it. */
function position(taken) {
  const first = (taken.positions ?? taken.events ?? [])[0];
  if (!first) return null;
  return Array.isArray(first) ? `ratings/${first.join("/")}` : `${first.topic ?? "ratings"}/${first.partition}/${first.offset}`;
}

function record(at, film, took, parts, changes, where) {
  history.push(took);
  if (history.length > SHOWN) history.shift();
  find("#took").replaceChildren(`${Math.round(took)} `, element("small", { textContent: "ms" }));
  find("#took").dataset.ms = took;
  find("#meter").querySelectorAll("i").forEach((bar, index) => bar.style.setProperty("--part", Object.values(parts)[index]));
  for (const [name, value] of Object.entries(parts)) find(`[data-part="${name}"]`).textContent = ms(value);
  showCourse();
  const changed = changes.get("because_you_watched") ?? 0, popular = changes.get("popular_now") ?? 0;
  const what = `${changed} of ${SIZE} because you watched, ${popular} of ${SIZE} popular now`;
  find("#said").textContent = `Next answer after ${Math.round(took)} milliseconds. ${changed} of ${SIZE} titles changed.`;
  const rows = find("#clicks");
  if (rows.querySelector("[colspan]")) rows.replaceChildren();
  const event = where ? element("a", { className: "mono", href: `${document.body.dataset.base}/flow?event=${where}`, textContent: where }) : "—";
  rows.prepend(element("tr", { className: "moved" },
    element("td", { textContent: at.toTimeString().slice(0, 8) }),
    element("td", { textContent: films.get(film)?.title ?? film }),
    element("td", { className: "num", textContent: ms(took) }),
    element("td", { className: "opt-s muted", textContent: Object.values(parts).map(ms).join(" + ") }),
    element("td", { textContent: what }),
    element("td", { className: "opt" }, event)));
  while (rows.children.length > SHOWN) rows.lastChild.remove();
}

/** The last clicks as bars, newest right; the table below has the numbers. */
function showCourse() {
  const sorted = [...history].sort((a, b) => a - b), highest = sorted.at(-1), half = sorted[Math.ceil(sorted.length / 2) - 1];
  const finding = `last ${history.length === 1 ? "click" : `${history.length} clicks`}: half within ${ms(half)}, slowest ${ms(highest)}`;
  find("#last").textContent = finding;
  const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
  const set = (node, values) => { for (const [name, value] of Object.entries(values)) node.setAttribute(name, value); return node; };
  set(svg, { class: "bars s2", viewBox: `0 0 ${SHOWN * 4} 28`, preserveAspectRatio: "none", role: "img", "aria-label": `Milliseconds from click to answer, ${finding}.` });
  history.forEach((value, index) => {
    const height = Math.max(1, 28 * value / highest);
    svg.append(set(document.createElementNS(space, "rect"), { x: (SHOWN - history.length + index) * 4, y: 28 - height, width: 3, height }));
  });
  find("#course").replaceChildren(svg);
}

// --- what went wrong ----------------------------------------------------------------------------------------------

function complain(error, kept = "") {
  if (!error) { find("#wrong").replaceChildren(); return; }
  const text = error instanceof Refused ? error.message : `This page failed: ${error.message}.`;
  const flow = element("a", { className: "button", href: `${document.body.dataset.base}/flow`, textContent: "Open Flow" });
  find("#wrong").replaceChildren(element("div", { className: "note bad" },
    element("p", {}, element("span", { className: "state bad" }, element("b", { textContent: "No new answer." })), " ",
      element("span", { textContent: `${text} ${kept}` })), flow));
  find("#said").textContent = text;
}

find("#again").onclick = async () => {
  const who = newViewer();
  const last = find("#viewers").lastElementChild;
  const choice = viewerChoice(who);
  if (last?.nodeName === "LABEL") last.replaceWith(choice); else find("#viewers").replaceChildren(choice);
  choice.querySelector("input").checked = true;
  complain(null);
  await choose(who);
};
showViewers();

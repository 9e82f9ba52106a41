"use strict";
// Keeps the page up to date. The stream of events says that something changed; what somebody looks at is fetched again as
// a fragment and put in place node by node, so that what is typed, open, focused or scrolled stays as it is. Without
// this script everything works by links and forms.
(() => {
  const TURN = 250; // so that at most four fragments are fetched a second
  const GLANCE = 5000; // how often the glance bar is fetched though nothing happens
  const ALL = 15000; // how often all that is looked at is
  const STALE = 20000; // from when on what is shown counts as old
  const SILENT = 45000; // a stream says every 15 s that it lives
  const SHORTEST = 500, LONGEST = 15000; // between two attempts to open the stream
  const REST = { routes: 2000, eepgs: 1500 }; // between two fetches of one section; 1000 for others
  const TOKEN = "thirdleaf-token";

  const root = document.documentElement;
  const isWhole = "whole" in root.dataset;
  const live = document.getElementById("live");
  const said = document.getElementById("said");
  const NAMES = ["sessions", "findings", "routes", "eepgs", "timeline", "configuration"];
  const section = (name) => (NAMES.includes(name) ? document.getElementById(name) : null);
  const sections = () => NAMES.map(section).filter(Boolean);
  const glance = () => document.getElementById("glance");
  const before = document.title.slice(0, -glance().dataset.title.length || undefined);

  // What an address means, relative to the page: its path and its query.
  const home = new URL(".", location.href);
  function relative(address) {
    const url = new URL(address, location.href);
    if (url.origin !== home.origin || !url.pathname.startsWith(home.pathname)) return null;
    return { path: url.pathname.slice(home.pathname.length), query: url.search.slice(1), hash: url.hash };
  }
  const queryOf = (place) => (place.dataset.src.split("?")[1] ?? "");

  // --- Putting in place

  const touched = new WeakSet(); // details that somebody opened or closed
  const loaded = new WeakSet(); // places whose content was fetched where it stands
  const key = (node) => (node.nodeType === 1 ? node.id || node.dataset.key || "" : "");

  function isOurs(node, name) {
    if (name === "open") return touched.has(node);
    return name === "aria-expanded" || name === "disabled" ||
      (name === "value" && node.tagName === "INPUT") || (name === "selected" && node.tagName === "OPTION");
  }

  function morph(old, fresh) {
    if (old.nodeType !== 1) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    const keeps = loaded.has(old) && old.dataset.src?.split("?")[0] === fresh.dataset.src?.split("?")[0];
    if (keeps && !old.id) return;
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value && !isOurs(old, name)) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !isOurs(old, name)) old.removeAttribute(name);
    }
    children(old, fresh);
  }

  function children(old, fresh) {
    const known = new Map();
    for (const child of old.children) if (key(child)) known.set(key(child), child);
    let at = old.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      while (at?.nodeType === 1 && "kept" in at.dataset) at = at.nextSibling;
      const name = key(wanted);
      const isLike = at && !name && !key(at) && at.nodeName === wanted.nodeName && at.nodeType === wanted.nodeType;
      const found = name ? known.get(name) : isLike ? at : null;
      if (!found || found.nodeName !== wanted.nodeName) {
        old.insertBefore(wanted, at);
        continue;
      }
      if (found === at) at = at.nextSibling;
      else old.insertBefore(found, at);
      morph(found, wanted);
      known.delete(name);
    }
    while (at) {
      const next = at.nextSibling;
      if (at.nodeType !== 1 || !("kept" in at.dataset)) at.remove();
      at = next;
    }
    for (const kept of old.querySelectorAll(":scope > [data-kept]")) {
      const row = [...old.children].find((child) => child.dataset.key === kept.dataset.kept);
      if (!row) kept.remove();
      else if (row.nextElementSibling !== kept) row.after(kept);
    }
  }

  // Another question: the section is replaced, and the focus goes to where it was.
  function replace(old, fresh) {
    const focus = old.contains(document.activeElement) ? document.activeElement : null;
    const folds = [...old.querySelectorAll("details.fold[open]")].map(key);
    old.replaceWith(fresh);
    for (const fold of folds) fresh.querySelector(`[data-key="${fold}"]`)?.setAttribute("open", "");
    if (focus?.name) {
      const again = fresh.querySelector(`[name="${focus.name}"]`);
      again?.focus({ preventScroll: true });
      if (focus.selectionStart != null) again?.setSelectionRange?.(focus.selectionStart, focus.selectionEnd);
    }
    eyes.unobserve(old);
    eyes.observe(fresh);
  }

  // --- Fetching

  let shown = Date.now(); // when what is shown was fetched last
  let skew = Date.parse(glance().dataset.now) - Date.now() || 0;
  const due = new WeakMap();

  async function load(place, isNew) {
    const asked = place.dataset.src;
    place.classList.add("busy");
    try {
      const response = await fetch(asked, { cache: "no-store", signal: AbortSignal.timeout(20000) });
      if (response.status >= 500 || !response.headers.get("content-type")?.startsWith("text/html")) {
        throw new Error(`${asked.split("?")[0]}: ${response.status}`);
      }
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").body.firstElementChild;
      if (!fresh || place.dataset.src !== asked || !place.isConnected) return;
      document.adoptNode(fresh);
      if (fresh.id && fresh.id === place.id) {
        if (isNew) replace(place, fresh);
        else morph(place, fresh);
      } else {
        const around = document.createElement("div");
        around.append(fresh);
        children(place, around);
        loaded.add(place);
      }
      root.dataset.fetched = Number(root.dataset.fetched ?? 0) + 1;
      if (place === glance()) {
        const now = Date.parse(place.dataset.now);
        if (now) [shown, skew] = [Date.now(), now - Date.now()];
        status();
      }
      fill();
    } finally {
      place.classList.remove("busy");
      due.set(place, Date.now() + (REST[place.id] ?? 1000));
    }
  }

  // The bar says how it stands; so do the title and the icon.
  function tell(isUnknown) {
    const state = isUnknown ? "unknown" : glance().dataset.state;
    const title = (isUnknown ? "connection lost - " : "") + before + glance().dataset.title;
    if (root.dataset.state === state && document.title === title) return;
    root.dataset.state = state;
    document.title = title;
    const icon = document.querySelector("link[rel=icon]");
    if (icon.dataset[state]) icon.href = icon.dataset[state];
  }

  // --- What is to be fetched: what changed and somebody looks at

  const dirty = new Set();
  const seen = new Set();
  const eyes = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) seen.add(target.id);
      else seen.delete(target.id);
    }
  }, { rootMargin: "200px" });
  const isSeen = (place) => place.id === "glance" || seen.has(place.closest("section")?.id) && place.getClientRects().length > 0;

  function changed(...names) {
    for (const name of names) dirty.add(name);
  }
  const everything = () => changed("glance", ...NAMES);

  // The places of a section: itself, and what was opened in it.
  function places(name) {
    const whole = document.getElementById(name);
    const opened = whole ? [...whole.querySelectorAll("[data-src]")].filter((place) => loaded.has(place)) : [];
    return whole?.dataset.src ? [whole, ...opened] : opened;
  }

  const waiting = new Set();
  let isBusy = false;
  async function turn() {
    if (isBusy || document.hidden || (stream === "lost" && Date.now() < retry)) return;
    for (const name of [...dirty]) {
      if (name !== "glance" && !seen.has(name)) continue;
      places(name).forEach((place) => waiting.add(place));
      dirty.delete(name);
    }
    const place = [...waiting].find((one) => (due.get(one) ?? 0) <= Date.now());
    if (!place) return;
    waiting.delete(place);
    if (!place.isConnected || !isSeen(place)) return;
    isBusy = true;
    try {
      await load(place);
    } catch {
      changed(place.closest("section")?.id ?? "glance");
    } finally {
      isBusy = false;
    }
  }

  // --- The stream

  let stream = "opening"; // "on", "lost" or "refused"
  let why = "", retry = 0;
  const pause = (time) => new Promise((done) => setTimeout(done, time));

  function happened(message) {
    const kind = /^event: ?(.*)$/m.exec(message)?.[1];
    if (!kind) return;
    if (kind === "resync" || kind === "reload" || kind === "restored") return everything();
    changed("timeline");
    if (kind.startsWith("demo")) return;
    changed("glance", "eepgs");
    if (kind.startsWith("route")) changed("routes", "sessions");
    else if (kind.startsWith("finding") || kind.startsWith("maintenance")) changed("findings", "sessions");
    else if (kind.startsWith("peer") || kind.startsWith("stale")) changed("sessions", "routes", "findings");
    else everything();
  }

  // A page that is left may be kept for who goes back, and must not keep a connection of the few that a browser has.
  let end = new AbortController();
  addEventListener("pagehide", () => end.abort());

  async function follow() {
    let wait = SHORTEST;
    for (;;) {
      end = new AbortController();
      let beat = Date.now();
      const watch = setInterval(() => Date.now() - beat > SILENT && end.abort(), 1000);
      try {
        const response = await fetch("api/v1/stream", { cache: "no-store", signal: end.signal });
        if (!response.ok) {
          stream = "refused";
          why = (await response.json())?.error?.message ?? String(response.status);
        } else {
          if (stream !== "opening") everything();
          [stream, wait] = ["on", SHORTEST];
          status();
          const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
          for (let rest = ""; ; ) {
            const { value, done } = await reader.read();
            if (done) break;
            beat = Date.now();
            const messages = (rest + value).split("\n\n");
            rest = messages.pop();
            messages.forEach(happened);
          }
          stream = "lost";
        }
      } catch {
        stream = "lost";
      }
      clearInterval(watch);
      // Who lost it together need not come back together.
      const time = wait * (0.75 + Math.random() / 2);
      retry = Date.now() + time;
      status();
      await pause(time);
      wait = Math.min(wait * 2, LONGEST);
    }
  }

  function status() {
    const old = Date.now() - shown;
    const isOld = old > STALE && !document.hidden;
    const state = stream === "lost" ? "lost" : isOld || stream === "refused" ? "stale" : "on";
    const next = Math.max(0, Math.ceil((retry - Date.now()) / 1000));
    const text = {
      on: "live",
      lost: `connection lost: what is shown is ${age(old / 1000)} old; next attempt in ${next} s`,
      stale: (stream === "refused" ? `no stream: ${why}; ` : "") + `what is shown is ${age(old / 1000)} old`,
    }[state];
    if (live.textContent !== text) live.textContent = text;
    live.dataset.live = root.dataset.live = state;
    // A number that changes every second is not read out.
    live.setAttribute("aria-live", live.dataset.said === state ? "off" : "polite");
    live.dataset.said = state;
    tell(state === "lost" || isOld);
  }

  // --- Time

  function age(seconds) {
    const s = Math.max(0, Math.floor(seconds)), two = (n) => String(n).padStart(2, "0");
    const [minutes, hours, days] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86400)];
    return days ? `${days}d${two(hours % 24)}h` : `${two(hours)}:${two(minutes % 60)}:${two(s % 60)}`;
  }

  function tick() {
    status();
    if (document.hidden) return;
    const now = Date.now() + skew;
    for (const place of [glance(), ...sections().filter(isSeen)]) {
      for (const time of place.querySelectorAll("time:not([data-fixed])")) {
        const at = Date.parse(time.dateTime);
        const text = age(("left" in time.dataset ? at - now : now - at) / 1000);
        if (time.textContent !== text) time.firstChild.nodeValue = text;
      }
    }
  }

  // --- Going somewhere

  function address() {
    const query = new URLSearchParams();
    for (const place of sections()) {
      for (const [name, value] of new URLSearchParams(queryOf(place))) query.append(`${place.id}.${name}`, value);
    }
    const text = query.toString();
    return home.pathname + (text ? `?${text}` : "");
  }

  async function go(name, query, isBack) {
    const place = section(name);
    place.dataset.src = `fragment/${name}${query ? `?${query}` : ""}`;
    if (!isBack) history.pushState(null, "", isWhole ? `${address()}#${name}` : `${name}${query ? `?${query}` : ""}`);
    await load(place, true).catch(() => changed(name));
  }

  addEventListener("popstate", () => {
    if (!isWhole) return location.reload();
    const all = [...new URLSearchParams(location.search)];
    for (const place of sections()) {
      const own = all.filter(([name]) => name.startsWith(`${place.id}.`));
      const query = new URLSearchParams(own.map(([name, value]) => [name.slice(place.id.length + 1), value])).toString();
      if (new URLSearchParams(queryOf(place)).toString() !== query) go(place.id, query, true);
    }
  });

  // A row beneath a row, with what its link leads to.
  function below(link) {
    const row = link.closest("tr");
    const next = row.nextElementSibling;
    const isOpen = next?.dataset.kept === row.dataset.key;
    link.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) return next.remove();
    const kept = document.createElement("tr"), cell = document.createElement("td"), place = document.createElement("div");
    kept.dataset.kept = row.dataset.key;
    cell.colSpan = row.cells.length;
    place.dataset.src = `fragment/${link.getAttribute("href")}`;
    cell.append(place);
    kept.append(cell);
    row.after(kept);
    load(place).catch((error) => { place.textContent = String(error.message); });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    const fold = event.target.closest("summary");
    if (fold && !link) touched.add(fold.parentElement);
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const to = relative(link.href);
    if (!to || link.hasAttribute("download")) return;
    if ("below" in link.dataset) {
      event.preventDefault();
      return below(link);
    }
    if (section(to.path)) {
      event.preventDefault();
      const inside = section(to.path).contains(link);
      go(to.path, to.query).then(() => inside || section(to.path).scrollIntoView());
      return;
    }
    const place = link.closest("[data-src]");
    if (place && place.dataset.src.split("?")[0] === `fragment/${to.path}`) {
      event.preventDefault();
      place.dataset.src = `fragment/${to.path}?${to.query}`;
      load(place).catch(() => {});
    }
  });

  document.addEventListener("toggle", (event) => {
    if (!event.target.open) return;
    for (const place of event.target.querySelectorAll(":scope > [data-src]")) {
      if (!loaded.has(place)) load(place).catch((error) => { place.textContent = String(error.message); });
    }
  }, true);

  // --- Forms

  // What was typed as a token is kept as long as the tab, if the browser lets us.
  const token = (...value) => {
    try {
      if (!value.length) return sessionStorage.getItem(TOKEN) ?? "";
      if (value[0]) sessionStorage.setItem(TOKEN, value[0]);
      else sessionStorage.removeItem(TOKEN);
    } catch {
      return "";
    }
    return value[0];
  };
  function fill() {
    for (const field of document.querySelectorAll("input[data-token]")) if (!field.value) field.value = token();
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target, to = relative(form.action);
    const fields = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
    if (!to || (form.method === "get" && !section(to.path))) return;
    event.preventDefault();
    if (form.method === "get") return go(to.path, fields.toString());
    const button = form.querySelector("button");
    button.disabled = true;
    said.replaceChildren();
    try {
      const response = await fetch(`fragment/${to.path}`, { method: "POST", body: fields });
      const answer = new DOMParser().parseFromString(await response.text(), "text/html").body;
      if (response.ok) token(fields.get("token"));
      else if (response.status === 401) token("");
      const place = response.ok ? said : form.querySelector("output");
      place.replaceChildren(...answer.childNodes);
      if (response.ok) setTimeout(() => place.replaceChildren(), 15000);
    } catch (error) {
      form.querySelector("output").textContent = `not sent: ${error.message}`;
    }
    button.disabled = false;
    everything();
  });

  // --- Keys

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (event.key === "/") {
      const search = document.querySelector("#routes input[name=prefix]") ?? document.querySelector("main input[type=search]");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const row = step && event.target.closest("tbody tr");
    if (!row) return;
    const rows = [...row.parentElement.rows].filter((one) => !("kept" in one.dataset));
    const column = [...row.querySelectorAll("a")].indexOf(event.target);
    const links = rows[rows.indexOf(row) + step]?.querySelectorAll("a");
    if (!links?.length) return;
    event.preventDefault();
    links[Math.min(column, links.length - 1)].focus();
  });

  document.addEventListener("visibilitychange", () => document.hidden || everything());
  sections().forEach((place) => eyes.observe(place));
  setInterval(turn, TURN);
  setInterval(tick, 1000);
  setInterval(() => changed("glance", "eepgs"), GLANCE);
  setInterval(everything, ALL);
  fill();
  follow();
  root.dataset.script = "ready";
})();

/* Shows where one is in the navigation of a narrow window and in a flow wider than its page, and
   refreshes the page of an unfinished execution. Without it the pages work: one scrolls, and
   follows a link. */
"use strict";
(() => {
  const here = document.querySelector(".dw-nav [aria-current]");
  const list = here && here.closest("ul");
  if (list) list.scrollLeft = here.offsetLeft - list.offsetLeft - (list.clientWidth - here.clientWidth) / 2;
})();

(() => {
  const states = ["failed", "running", "waiting", "blocked", "paused"];
  for (const graph of document.querySelectorAll(".dw-scroll > .durable-graph")) {
    const box = graph.parentElement;
    if (box.scrollWidth <= box.clientWidth) continue;
    const state = states.find((one) => graph.querySelector(`.dg-node.dg-is-${one}`));
    const node = graph.querySelector(state ? `.dg-node.dg-is-${state}` : ".dg-node");
    if (!node) continue;
    const at = node.getBoundingClientRect(), seen = box.getBoundingClientRect();
    box.scrollLeft += at.left + at.width / 2 - seen.left - seen.width / 2;
  }
})();

(() => {
  const live = document.getElementById("dw-live");
  if (!live || live.dataset.final === "1") return;
  const state = document.getElementById("dw-live-state");
  const least = 2000, most = 30000;
  let pause = least, tag = null, timer = null;

  /* Whoever fills in a form, or has chosen a text, is not disturbed. */
  const busy = () => {
    const active = document.activeElement;
    const inForm = active && live.contains(active) && active.matches("input, textarea, select");
    const chosen = document.getSelection();
    const choosing = chosen && !chosen.isCollapsed && live.contains(chosen.anchorNode);
    return document.hidden || inForm || choosing;
  };

  /* What was opened or scrolled stays so, and the focus stays where it was. */
  const replace = (text) => {
    const shown = new Map([...live.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
    const scrolled = [...live.querySelectorAll(".dw-scroll")].map((one) => one.scrollLeft);
    const active = live.contains(document.activeElement) ? document.activeElement : null;
    const place = active && [active.tagName, active.textContent, active.getAttribute("href")];
    const parsed = new DOMParser().parseFromString(text, "text/html");
    live.replaceChildren(...parsed.body.childNodes);
    for (const one of live.querySelectorAll("details[id]")) {
      if (shown.has(one.id)) one.open = shown.get(one.id);
    }
    live.querySelectorAll(".dw-scroll").forEach((one, n) => { one.scrollLeft = scrolled[n] || 0; });
    if (place) {
      const same = [...live.querySelectorAll(place[0])].find(
        (one) => one.textContent === place[1] && one.getAttribute("href") === place[2]);
      if (same) same.focus({ preventScroll: true });
    }
  };

  const later = () => { timer = window.setTimeout(look, pause); };

  const look = async () => {
    if (busy()) return later();
    try {
      const headers = { "X-Requested-With": "XMLHttpRequest" };
      if (tag) headers["If-None-Match"] = tag;
      const answer = await fetch(live.dataset.url, { headers, credentials: "same-origin", cache: "no-store", redirect: "error" });
      if (answer.status === 200) {
        const text = await answer.text();
        if (busy()) return later();
        tag = answer.headers.get("ETag");
        replace(text);
        pause = least;
      } else if (answer.status === 304) {
        pause = Math.min(pause * 1.25, 10000);
      } else {
        throw new Error(String(answer.status));
      }
      state.textContent = "";
      if (answer.headers.get("X-Durable-Final") === "1") { live.dataset.final = "1"; return undefined; }
    } catch {
      state.textContent = live.dataset.failed;
      pause = Math.min(pause * 2, most);
    }
    return later();
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden || live.dataset.final === "1") return;
    window.clearTimeout(timer);
    pause = least;
    look();
  });
  later();
})();

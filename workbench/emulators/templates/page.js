// Replaces the content when it has changed, and keeps the open details open.
"use strict";
const state = document.getElementById("state");
let shown = document.querySelector("main").innerHTML;

async function refresh() {
  if (document.hidden || String(getSelection())) return;
  try {
    const answer = await fetch("/", { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main");
    if (answer.ok && fresh.innerHTML !== shown) {
      shown = fresh.innerHTML;
      for (const details of document.querySelectorAll("details")) {
        const next = fresh.querySelector("#" + CSS.escape(details.id));
        if (next) next.open = details.open;
      }
      document.querySelector("main").replaceWith(fresh);
    }
    state.textContent = answer.ok ? "up to date" : "the emulators return an error";
  } catch {
    state.textContent = "the emulators do not answer";
  }
}
setInterval(refresh, 3000);

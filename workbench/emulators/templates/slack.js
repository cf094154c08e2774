// Adds each new message at the top, and shows the state of the connection.
"use strict";
const state = document.getElementById("state");
const inbox = document.getElementById("messages");
const title = document.title;
let last = inbox.dataset.after;
let unread = 0;

function connect() {
  const query = new URLSearchParams({ after: last, channel: inbox.dataset.channel });
  const events = new EventSource("/slack/events?" + query);
  events.addEventListener("open", () => show("live"));
  events.addEventListener("reset", () => location.reload());
  events.addEventListener("message", (event) => {
    last = event.lastEventId;
    add(JSON.parse(event.data));
  });
  events.addEventListener("error", () => {
    show("reconnecting");
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  });
}

function show(word) {
  state.textContent = word;
  state.dataset.state = word;
}

function add(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html; // escaped by the server, and the content security policy allows only the page's own scripts
  const message = holder.content.querySelector("article");
  if (document.getElementById(message.id)) return;
  message.classList.add("new");
  inbox.prepend(message);
  while (inbox.childElementCount > Number(inbox.dataset.shown)) inbox.lastElementChild.remove();
  if (document.hidden) document.title = `(${++unread}) ${title}`;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  document.title = title;
});
connect();
